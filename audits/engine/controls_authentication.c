/* Authentication: controls ATH-1 to ATH-6, with their shipped policy. */

#include "catalogue.h"

static const struct setting ath_1[] = {
        {.name = "rate",
         .type = SETTING_NUMBER,
         .fallback = "10",
         .min = 0,
         .max = 1e+06,
         .words = "most failures per address and minute"},
        {.name = "endpoints",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[\"/api/auth/*\", \"/login*\"]",
         .words = "auth endpoints, as path globs"},
        {.type = SETTING_END},
};

static const struct setting ath_2[] = {
        {.name = "failures",
         .type = SETTING_INTEGER,
         .fallback = "5",
         .min = 1,
         .max = 1000,
         .words = "most consecutive failures before an account locks"},
        {.name = "duration", .type = SETTING_DURATION, .fallback = "30m", .words = "shortest lock"},
        {.type = SETTING_END},
};

static const struct setting ath_3[] = {
        {.name = "access_token",
         .type = SETTING_DURATION,
         .fallback = "15m",
         .words = "longest life of an access token"},
        {.name = "rotation", .type = SETTING_BOOLEAN, .fallback = "true", .words = "refresh tokens must rotate"},
        {.type = SETTING_END},
};

static const struct setting ath_4[] = {
        {.name = "addresses",
         .type = SETTING_INTEGER,
         .fallback = "10",
         .min = 1,
         .max = 1e+06,
         .words = "most addresses from which one user name may fail"},
        {.name = "names",
         .type = SETTING_INTEGER,
         .fallback = "10",
         .min = 1,
         .max = 1e+06,
         .words = "most user names on which one address may fail"},
        {.name = "window", .type = SETTING_DURATION, .fallback = "24h", .words = "how far back the event log is read"},
        {.name = "rate",
         .type = SETTING_NUMBER,
         .fallback = "10",
         .min = 0,
         .max = 1e+09,
         .words = "most failures in 5 minutes"},
        {.name = "share", .type = SETTING_PERCENT, .fallback = "10", .words = "most failures of all attempts"},
        {.type = SETTING_END},
};

static const struct setting ath_5[] = {
        {.name = "evidence",
         .type = SETTING_TEXT,
         .fallback = "penetration-test",
         .words = "name of the `evidence` source"},
        {.name = "age", .type = SETTING_DURATION, .fallback = "92d", .words = "greatest age of the evidence"},
        {.type = SETTING_END},
};

static const struct setting ath_6[] = {
        {.name = "drift",
         .type = SETTING_DURATION,
         .fallback = "1s",
         .words = "most drift between the reference and a server"},
        {.name = "leases",
         .type = SETTING_BOOLEAN,
         .fallback = "true",
         .words = "tell that node leases are too coarse; false where node_exporter's timex is read"},
        {.type = SETTING_END},
};

static const struct control controls[] = {
        {.id = "ATH-1",
         .title = "failed logins are rate-limited",
         .severity = SEV2,
         .cadence = JOB_NIGHTLY,
         .settings = ath_1,
         .frameworks = {"SOC2:CC6.1", "SOC2:CC6.6", "ISO27001:A.8.5", "NIST:AC-7", "NIST:SC-5", "PCI4:8.3.4"}},
        {.id = "ATH-2",
         .title = "accounts lock",
         .severity = SEV2,
         .cadence = JOB_NIGHTLY,
         .settings = ath_2,
         .frameworks = {"SOC2:CC6.1", "ISO27001:A.8.5", "NIST:AC-7", "PCI4:8.3.4"}},
        {.id = "ATH-3",
         .title = "tokens are short-lived and refresh tokens rotate",
         .severity = SEV2,
         .cadence = JOB_WEEKLY,
         .settings = ath_3,
         .frameworks = {"SOC2:CC6.1", "ISO27001:A.8.5", "NIST:AC-12", "NIST:IA-5", "PCI4:8.2.8"}},
        {.id = "ATH-4",
         .title = "credential stuffing is looked for",
         .severity = SEV2,
         .severity_past = SEV1,
         .cadence = JOB_NIGHTLY,
         .settings = ath_4,
         .frameworks = {"SOC2:CC6.1", "SOC2:CC7.2", "ISO27001:A.8.5", "ISO27001:A.8.16", "NIST:AC-7", "NIST:SI-4",
                        "NIST:AU-6", "PCI4:10.4.1"}},
        {.id = "ATH-5",
         .title = "auth flows are penetration-tested every quarter",
         .severity = SEV3,
         .cadence = JOB_MONTHLY,
         .settings = ath_5,
         .frameworks = {"SOC2:CC4.1", "SOC2:CC7.1", "ISO27001:A.8.8", "ISO27001:A.8.29", "NIST:CA-8", "PCI4:11.4.1"}},
        {.id = "ATH-6",
         .title = "clocks agree",
         .severity = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = ath_6,
         .frameworks = {"SOC2:CC7.2", "ISO27001:A.8.17", "NIST:AU-8", "NIST:SC-45", "PCI4:10.6"}},
        {.id = NULL},
};

const struct playbook playbook_authentication = {.prefix = "ATH", .title = "Authentication", .controls = controls};

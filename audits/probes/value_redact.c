/* What looks like a credential in a text that is about to be kept. */

#include "value.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "json.h"

#define REDACTED "[redacted]"

static bool
in_token(char c)
{
        return isalnum((unsigned char)c) || (c != '\0' && strchr("_-.~+/=", c) != NULL);
}

/* Overwrites `length` bytes at `at`; the text does not grow. */
static char *
blot(char *at, size_t length)
{
        size_t word = strlen(REDACTED);

        if (length < word) {
                memset(at, '*', length);
                return at + length;
        }
        size_t rest = strlen(at + length);
        memcpy(at, REDACTED, word);
        memmove(at + word, at + length, rest + 1);
        /* What the move left behind its new end is still a secret. */
        explicit_bzero(at + word + rest + 1, length - word);
        return at + word;
}

/* Tokens known by their beginning, as their issuers document them. */
static size_t
token_length(const char *at, bool begins)
{
        static const char *const beginnings[] = {
                "krn_",     "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-",   "sk-", "sk_live_",
                "rk_live_", "AKIA", "ASIA", "AIza", "npm_",        "eyJ",    "hvs.",  "dop_v1_", "SG."};

        for (size_t i = 0; begins && i < sizeof beginnings / sizeof *beginnings; i++) {
                size_t size = strlen(beginnings[i]), length = size;
                if (strncmp(at, beginnings[i], size) != 0)
                        continue;
                while (in_token(at[length]))
                        length++;
                if (length >= size + 8)
                        return length;
        }
        return 0;
}

/* "password=" and its kin: how long the words before the value are, 0 when they are none. */
static size_t
label_length(const char *at, bool begins)
{
        static const char *const labels[] = {"password",   "passwd",      "pwd",           "secret",
                                             "token",      "api_key",     "apikey",        "api-key",
                                             "access_key", "private_key", "authorization", "sslpassword"};

        if (begins && strncasecmp(at, "bearer ", 7) == 0)
                return 7;
        for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
                size_t length = strlen(labels[i]);
                if (strncasecmp(at, labels[i], length) != 0)
                        continue;
                length += at[length] == '"' || at[length] == '\'';
                length += strspn(at + length, " ");
                if (at[length] != '=' && at[length] != ':')
                        continue;
                length++;
                length += strspn(at + length, " \"'");
                return length;
        }
        return 0;
}

/* "scheme://user:password@": where the password is. */
static char *
url_password(char *at, size_t *length)
{
        if (strncmp(at, "://", 3) != 0)
                return NULL;
        char *authority = at + 3, *end = authority + strcspn(authority, "/?# \t\r\n\"'");
        char *colon = memchr(authority, ':', (size_t)(end - authority)), *last = NULL;
        for (char *c = authority; c < end; c++)
                last = *c == '@' ? c : last;
        if (colon == NULL || last == NULL || colon > last)
                return NULL;
        *length = (size_t)(last - colon - 1);
        return colon + 1;
}

void
value_redact(char *text)
{
        for (char *at = text; *at != '\0';) {
                bool begins = at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_');
                size_t length = token_length(at, begins), label;
                char *password;
                if (strncmp(at, "-----BEGIN ", 11) == 0 && strstr(at, "PRIVATE KEY") != NULL) {
                        at = blot(at, strlen(at));
                } else if (length > 0) {
                        at = blot(at, length);
                } else if ((password = url_password(at, &length)) != NULL) {
                        /* The user may be a token, beside any word for a password: as GitHub has it. */
                        char *user = at + strlen("://");
                        size_t token = token_length(user, true);
                        at = blot(password, length);
                        if (token > 0)
                                at -= user + token - blot(user, token);
                } else if ((label = label_length(at, begins)) > 0) {
                        at += label;
                        length = strncasecmp(at, "bearer ", 7) == 0 ? 7 : 0;
                        at += length;
                        at = blot(at, strcspn(at, " \t\r\n\"'&;,"));
                } else {
                        at++;
                }
        }
}

bool
value_name_is_secret(const char *name)
{
        static const char *const patterns[] = {"*password*", "*passwd*",     "*secret*", "*token",         "*_key",
                                               "*apikey*",   "*_dsn",        "dsn",      "*database_url*", "*_uri",
                                               "redis_url",  "*credential*", "*private*"};

        for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
                if (fnmatch(patterns[i], name, FNM_CASEFOLD) == 0)
                        return true;
        }
        return false;
}

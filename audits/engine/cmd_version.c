/* rounds version: of the program and, asked for more, of what it was built with. */

#include <ares.h>
#include <cmark.h>
#include <curl/curl.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <xlsxwriter.h>
#include <yaml.h>
#include <zstd.h>

#include "invocation.h"

static int
version_run(const struct invocation *invocation)
{
        printf("rounds %s\n", ROUNDS_VERSION);
        if (invocation->verbose == 0)
                return EXIT_ASSESSED;
        int pq = PQlibVersion();
        printf("libpq %d.%d\n", pq / 10000, pq % 10000);
        printf("hiredis %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
        printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
        printf("libcurl %s\n", curl_version_info(CURLVERSION_NOW)->version);
        printf("SQLite %s\n", sqlite3_libversion());
        printf("jansson %s\n", JANSSON_VERSION);
        printf("libyaml %s\n", yaml_get_version_string());
        printf("cmark %s\n", cmark_version_string());
        printf("libxlsxwriter %s\n", lxw_version());
        printf("zstd %s\n", ZSTD_versionString());
        printf("c-ares %s\n", ares_version(NULL));
        return EXIT_ASSESSED;
}

const struct command command_version = {
        .name = "version",
        .arguments = "",
        .summary = "print the version (with -v, of the libraries too)",
        .run = version_run,
};

/* Certificates under libFuzzer: DER of any kind becomes facts or is refused; facts are a JSON object with an id. */

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "x509_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const unsigned char *at = data;
        X509 *certificate = d2i_X509(NULL, &at, (long)size);

        ERR_clear_error();
        if (certificate == NULL)
                return 0;
        json_t *facts = x509_facts(certificate);
        if (facts == NULL || strlen(json_text(facts, "id", "")) != 64)
                abort();
        json_decref(facts);
        X509_free(certificate);
        return 0;
}

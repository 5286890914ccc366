/* JSON Web Tokens under libFuzzer: the first line is the token, the rest the issuer's key set.  A verdict has a name,
 * and nothing is verified that was not signed. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "jwt.h"
#include "scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        scoped_string token = strndup((const char *)data, size);
        struct error err = {0};

        if (token == NULL)
                return 0;
        char *line = strchr(token, '\n');
        scoped_json keys = line != NULL ? json_loads(line + 1, 0, NULL) : NULL;
        if (line != NULL)
                *line = '\0';
        scoped_json header = NULL;
        scoped_json claims = NULL;
        int read = jwt_read(token, &header, &claims, &err);
        if ((read == 0) != (json_is_object(header) && json_is_object(claims)))
                abort();
        enum jwt_check check = jwt_verify(token, keys);
        if (strlen(jwt_check_name(check)) == 0 || (read != 0 && check == JWT_GOOD) ||
            (check == JWT_GOOD && strcmp(json_text(header, "alg", "none"), "none") == 0))
                abort();
        return 0;
}

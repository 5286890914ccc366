/* Several faults of one object in one finding. */

#include "faults.h"

void
faults_add(struct faults *faults, const char *observed, const char *message, const char *remedy)
{
        buffer_format(&faults->observed, "%s%s", faults->observed.length > 0 ? "; " : "", observed);
        buffer_format(&faults->message, "%s%s", faults->message.length > 0 ? " " : "", message);
        if (faults->remedy == NULL)
                faults->remedy = remedy;
        faults->count++;
}

bool
faults_report(struct faults *faults, const struct finding *finding)
{
        struct finding whole = *finding;
        bool none = faults->count == 0;

        if (!none) {
                whole.status = STATUS_FAIL;
                whole.observed = faults->observed.data;
                whole.message = faults->message.data != NULL ? faults->message.data : "It is at fault.";
                whole.remedy = faults->remedy;
                findings_add(faults->out, &whole);
        }
        buffer_free(&faults->observed);
        buffer_free(&faults->message);
        *faults = FAULTS_INIT(faults->out);
        return none;
}

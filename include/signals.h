/* SIGINT, SIGTERM and SIGHUP become the cancel switch of a run: the first ends it cleanly, the second ends the process.
 *
 * A thread waits for them, so that no handler and no global is needed.  SIGPIPE and SIGXFSZ are ignored: a closed pipe
 * and a file-size limit are errors of a write, not the end of the process. */
#ifndef ROUNDS_SIGNALS_H
#define ROUNDS_SIGNALS_H

#include "deadline.h"
#include "error.h"

struct signals;

/* Call before any other thread is started.  `cancel` is borrowed. */
int signals_watch(struct cancel *cancel, struct signals **out, struct error *err) __attribute__((warn_unused_result));

/* Ends the watch, gives the signals back to whoever had them; the signal that came first, 0 when none did. */
int signals_end(struct signals *signals);

#endif

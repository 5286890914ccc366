/* Diagnostics on standard error. */

#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int shown = LOG_LEVEL_WARNING;

void
log_set_level(enum log_level level)
{
        atomic_store(&shown, (int)level);
}

static void line(enum log_level level, const char *word, const char *format, va_list list)
        __attribute__((format(printf, 3, 0)));

static void
line(enum log_level level, const char *word, const char *format, va_list list)
{
        char text[2048];

        if ((int)level > atomic_load(&shown))
                return;
        vsnprintf(text, sizeof text, format, list);
        fprintf(stderr, "rounds: %s%s\n", word, text);
}

#define LOG_FUNCTION(name, level, word)          \
        void log_##name(const char *format, ...) \
        {                                        \
                va_list list;                    \
                va_start(list, format);          \
                line(level, word, format, list); \
                va_end(list);                    \
        }

LOG_FUNCTION(error, LOG_LEVEL_ERROR, "error: ")
LOG_FUNCTION(warning, LOG_LEVEL_WARNING, "warning: ")
LOG_FUNCTION(info, LOG_LEVEL_INFO, "")
LOG_FUNCTION(debug, LOG_LEVEL_DEBUG, "debug: ")

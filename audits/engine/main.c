/* rounds: entry point. */

#include <stdio.h>

int
main(void)
{
        puts("rounds " ROUNDS_VERSION);
        return 0;
}

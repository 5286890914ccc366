/* Calls that take a connection and must be answered by one that gives it back.
 *
 * Sources: the documentation of node-postgres ("Pool"), mysql2, generic-pool, TypeORM ("Query Runner"), Mongoose
 * ("Transactions"), Sequelize ("Unmanaged transactions"), Knex ("Transactions"), ioredis, node-redis, Prisma
 * ("Connection management"). */

#include "acquire_paths.h"

#include <string.h>

const struct acquire_rule acquire_rules[] = {
        {.name = "pg", .object = "*pool*", .method = "connect", .release = {"release"}},
        {.name = "mysql", .method = "getConnection", .release = {"release", "destroy", "end"}},
        {.name = "generic-pool",
         .object = "*pool*",
         .method = "acquire",
         .by_owner = true,
         .release = {"release", "destroy"}},
        {.name = "TypeORM", .method = "createQueryRunner", .release = {"release"}},
        {.name = "Mongoose", .method = "startSession", .release = {"endSession"}},
        {.name = "Sequelize",
         .object = "*sequelize*",
         .method = "transaction",
         .bare = true,
         .release = {"commit", "rollback"}},
        {.name = "Knex", .object = "*knex*", .method = "transaction", .bare = true, .release = {"commit", "rollback"}},
        {.name = "Redis",
         .object = "*redis*",
         .method = "duplicate",
         .release = {"quit", "disconnect", "close", "destroy", "end"}},
        {.name = "Redis",
         .method = "Redis",
         .constructor = true,
         .release = {"quit", "disconnect", "close", "destroy", "end"}},
        {.name = "Prisma", .method = "PrismaClient", .constructor = true, .release = {"$disconnect"}},
        {.name = "pg", .module = "pg", .method = "Client", .constructor = true, .release = {"end"}},
        {.name = NULL},
};

bool
acquire_leaks(const char *verdict)
{
        static const char *const faults[] = {"never", "path", "dropped", "outside"};

        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
                if (strcmp(verdict, faults[i]) == 0)
                        return true;
        }
        return false;
}

/* YAML with places: one document of a file, its nodes with line and column, bounded in size, nesting and aliases.  On
 * libyaml. */
#ifndef ROUNDS_YAML_TEXT_H
#define ROUNDS_YAML_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "error.h"

/* What is wrong in a file, all of it: in the order found, at most `PROBLEMS_MOST` kept. */
struct problem {
        size_t line, column; /* from 1 */
        char *text;          /* owned */
};

struct problems {
        const char *file; /* borrowed: as named to the user */
        struct problem *rows;
        size_t count;
        size_t dropped; /* past the most */
};

void problems_add(struct problems *problems, size_t line, size_t column, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
void problems_free(struct problems *problems);

/* The same at a node's place; words past 600 bytes are cut. */
void problems_at(struct problems *problems, const yaml_node_t *node, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* A parsed document.  Nodes are yaml_node_t of libyaml, borrowed from it. */
struct yaml_text;

/* Reads one document; every problem that keeps it from being read is added.  NULL then. */
struct yaml_text *yaml_open(const char *bytes, size_t length, struct problems *problems);
struct yaml_text *yaml_open_file(const char *path, struct problems *problems);
void yaml_close(struct yaml_text *text);

yaml_node_t *yaml_root(struct yaml_text *text);
yaml_node_t *yaml_item(struct yaml_text *text, int index); /* of a pair or an item, as libyaml numbers them */

/* A node as JSON: plain scalars by YAML 1.2's core schema (null, true, false, numbers), quoted ones as text; new. NULL,
 * and a problem, when aliases would make it too large. */
json_t *yaml_json(struct yaml_text *text, yaml_node_t *node, struct problems *problems);

/* True for a plain (unquoted) scalar that means null. */
bool yaml_is_null(const yaml_node_t *node);

/* Text as JSON, for what other programs keep in YAML; `what` names it in errors. */
int yaml_read_bytes(const char *bytes, size_t length, const char *what, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* A whole file as JSON, for files of other programs (kubeconfig); at most `largest` bytes. */
int yaml_read_file(const char *path, size_t largest, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

#endif

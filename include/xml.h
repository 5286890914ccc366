/* XML answers of cloud APIs as JSON: bounded, without entities or attributes.  On expat.
 *
 * An element with children becomes an object that maps each child's name to an array of its occurrences, one without
 * becomes its text: <List><Item><Key>a</Key></Item></List> is {"Item": [{"Key": ["a"]}]}. */
#ifndef ROUNDS_XML_H
#define ROUNDS_XML_H

#include <jansson.h>
#include <stddef.h>

#include "error.h"

/* The root element's content (new) and its name (`root`, may be NULL).  A document type definition, nesting over 32 or
 * an element that does not end is REASON_PROTOCOL. */
int xml_read(const char *bytes, size_t length, char *root, size_t root_size, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* The text of the first `name` in an element; fallback when there is none. */
const char *xml_text(const json_t *element, const char *name, const char *fallback);

/* Every `name` in an element: an array, or NULL. */
const json_t *xml_list(const json_t *element, const char *name);

/* A walk along first children: xml_at(e, "Result", "Credentials", NULL); NULL where a step is missing. */
const json_t *xml_at(const json_t *element, ...) __attribute__((sentinel));

#endif

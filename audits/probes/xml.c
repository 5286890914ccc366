/* XML to JSON on expat. */

#include "xml.h"

#include <expat.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "json.h"

enum { DEPTH_MOST = 32, TEXT_LARGEST = 1024 * 1024 };

struct element {
        json_t *children; /* NULL until the first one */
        struct buffer text;
        char name[128];
};

struct reader {
        XML_Parser parser;
        struct element stack[DEPTH_MOST];
        int depth;
        json_t *root;
        char root_name[128];
        const char *refused; /* why the document was not taken */
};

static void
refuse(struct reader *reader, const char *why)
{
        reader->refused = why;
        XML_StopParser(reader->parser, XML_FALSE);
}

static void XMLCALL
begin(void *context, const XML_Char *name, const XML_Char **attributes)
{
        struct reader *reader = context;

        (void)attributes;
        if (reader->depth == DEPTH_MOST) {
                refuse(reader, "it is nested too deeply");
                return;
        }
        struct element *element = &reader->stack[reader->depth++];
        *element = (struct element){.text = BUFFER_INIT(TEXT_LARGEST)};
        /* "ns:Name" is Name to us. */
        const char *colon = strrchr(name, ':');
        snprintf(element->name, sizeof element->name, "%s", colon != NULL ? colon + 1 : name);
}

static void XMLCALL
text(void *context, const XML_Char *bytes, int length)
{
        struct reader *reader = context;

        if (reader->depth > 0 && buffer_add(&reader->stack[reader->depth - 1].text, bytes, (size_t)length) != 0)
                refuse(reader, "an element is too long");
}

static void XMLCALL
end(void *context, const XML_Char *name)
{
        struct reader *reader = context;
        struct element *element = &reader->stack[--reader->depth];
        json_t *value = element->children;

        (void)name;
        if (value == NULL)
                value = json_bytes(element->text.data != NULL ? element->text.data : "", element->text.length);
        buffer_free(&element->text);
        element->children = NULL;
        if (reader->depth == 0) {
                reader->root = value;
                snprintf(reader->root_name, sizeof reader->root_name, "%s", element->name);
                return;
        }
        struct element *parent = &reader->stack[reader->depth - 1];
        if (parent->children == NULL)
                parent->children = json_object();
        json_t *list = json_object_get(parent->children, element->name);
        if (list == NULL) {
                list = json_array();
                if (json_put(parent->children, element->name, list) != 0)
                        list = NULL;
        }
        if (list == NULL || json_push(list, value) == NULL)
                refuse(reader, "out of memory");
}

static void XMLCALL
doctype(void *context, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal)
{
        (void)name, (void)system, (void)public, (void)internal;
        refuse(context, "it brings a document type of its own");
}

int
xml_read(const char *bytes, size_t length, char *root, size_t root_size, json_t **out, struct error *err)
{
        struct reader reader = {.parser = XML_ParserCreate(NULL)};

        if (reader.parser == NULL)
                return error_memory(err, "XML");
        XML_SetUserData(reader.parser, &reader);
        XML_SetElementHandler(reader.parser, begin, end);
        XML_SetCharacterDataHandler(reader.parser, text);
        XML_SetStartDoctypeDeclHandler(reader.parser, doctype);
        enum XML_Status status = XML_Parse(reader.parser, bytes, (int)length, XML_TRUE);
        if (status != XML_STATUS_OK || reader.root == NULL) {
                error_set(err, REASON_PROTOCOL, "the answer is no XML of ours: line %lu: %s",
                          XML_GetCurrentLineNumber(reader.parser),
                          reader.refused != NULL ? reader.refused : XML_ErrorString(XML_GetErrorCode(reader.parser)));
                for (int i = 0; i < reader.depth; i++) {
                        json_decref(reader.stack[i].children);
                        buffer_free(&reader.stack[i].text);
                }
                json_decref(reader.root);
                XML_ParserFree(reader.parser);
                return -1;
        }
        XML_ParserFree(reader.parser);
        if (root != NULL)
                snprintf(root, root_size, "%s", reader.root_name);
        *out = reader.root;
        return 0;
}

const json_t *
xml_list(const json_t *element, const char *name)
{
        return json_list(element, name);
}

const char *
xml_text(const json_t *element, const char *name, const char *fallback)
{
        const char *value = json_string_value(json_array_get(json_object_get(element, name), 0));

        return value != NULL ? value : fallback;
}

const json_t *
xml_at(const json_t *element, ...)
{
        va_list names;
        const char *name;

        va_start(names, element);
        while (element != NULL && (name = va_arg(names, const char *)) != NULL)
                element = json_array_get(json_object_get(element, name), 0);
        va_end(names);
        return element;
}

/* A growing byte buffer with a cap. */

#include "buffer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *
buffer_room(struct buffer *buffer, size_t length)
{
        if (buffer->failed || length > buffer->largest || buffer->length > buffer->largest - length) {
                buffer->failed = true;
                return NULL;
        }
        size_t wanted = buffer->length + length + 1;
        if (wanted > buffer->capacity) {
                size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
                while (capacity < wanted)
                        capacity += capacity / 2;
                if (capacity > buffer->largest + 1)
                        capacity = buffer->largest + 1;
                char *grown = realloc(buffer->data, capacity);
                if (grown == NULL) {
                        buffer->failed = true;
                        return NULL;
                }
                buffer->data = grown;
                buffer->capacity = capacity;
        }
        buffer->data[buffer->length + length] = '\0';
        return buffer->data + buffer->length;
}

int
buffer_add(struct buffer *buffer, const void *bytes, size_t length)
{
        char *room = buffer_room(buffer, length);

        if (room == NULL)
                return -1;
        if (length > 0)
                memcpy(room, bytes, length);
        buffer->length += length;
        return 0;
}

int
buffer_text(struct buffer *buffer, const char *text)
{
        return buffer_add(buffer, text, strlen(text));
}

int
buffer_char(struct buffer *buffer, char c)
{
        return buffer_add(buffer, &c, 1);
}

int
buffer_vformat(struct buffer *buffer, const char *format, va_list list)
{
        va_list again;

        va_copy(again, list);
        int length = vsnprintf(NULL, 0, format, again);
        va_end(again);
        if (length < 0) {
                buffer->failed = true;
                return -1;
        }
        char *room = buffer_room(buffer, (size_t)length);
        if (room == NULL)
                return -1;
        vsnprintf(room, (size_t)length + 1, format, list);
        buffer->length += (size_t)length;
        return 0;
}

int
buffer_format(struct buffer *buffer, const char *format, ...)
{
        va_list list;

        va_start(list, format);
        int result = buffer_vformat(buffer, format, list);
        va_end(list);
        return result;
}

void
buffer_drop(struct buffer *buffer, size_t length)
{
        if (length >= buffer->length) {
                buffer->length = 0;
        } else {
                memmove(buffer->data, buffer->data + length, buffer->length - length);
                buffer->length -= length;
        }
        if (buffer->data != NULL)
                buffer->data[buffer->length] = '\0';
}

void
buffer_clear(struct buffer *buffer)
{
        buffer->length = 0;
        buffer->failed = false;
        if (buffer->data != NULL)
                buffer->data[0] = '\0';
}

char *
buffer_take(struct buffer *buffer)
{
        char *data = NULL;

        if (!buffer->failed && buffer_room(buffer, 0) != NULL) {
                data = buffer->data;
                *buffer = BUFFER_INIT(buffer->largest);
                return data;
        }
        buffer_free(buffer);
        return NULL;
}

void
buffer_free(struct buffer *buffer)
{
        free(buffer->data);
        *buffer = BUFFER_INIT(buffer->largest);
}

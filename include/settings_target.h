/* A target of kind `settings`: {"settings": [{name, is, of?, from {...}, unit?, per, bound?, owner?}]}, each a value
 * that value_read() reads and a duty of setting_duty.h. */
#ifndef ROUNDS_SETTINGS_TARGET_H
#define ROUNDS_SETTINGS_TARGET_H

#include "target.h"

extern const struct target_kind kind_settings;

#endif

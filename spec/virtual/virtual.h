/* SPDX-License-Identifier: MIT */
/* virtual.h - what the virtual clock can do beside base/clock.h. */
#ifndef VIRTUAL_H
#define VIRTUAL_H

#include <stdint.h>

/* Steps the wall clock alone, forward or back. */
void virtual_step_wall(int64_t ms);

#endif

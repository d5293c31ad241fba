/* SPDX-License-Identifier: MIT */
/* boot.h - which start of the machine this is. Any thread. */
#ifndef BOOT_H
#define BOOT_H

enum { BOOT_BYTES = 40 };

/* The kernel's name of this start, /proc/sys/kernel/random/boot_id; "" if it cannot be read. Two
 * processes with the same name, which is not "", read the same clock_boot_ms(). */
void boot_name(char out[BOOT_BYTES]);

#endif

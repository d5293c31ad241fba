/* SPDX-License-Identifier: MIT */
/* page.c - the assembler reads page.html; the path is that of the tree's root, where make runs. */
#include "http/page.h"

__asm__(".pushsection .rodata\n"
        ".globl page_html\n"
        ".hidden page_html\n"
        ".type page_html, %object\n"
        "page_html:\n"
        ".incbin \"src/http/page.html\"\n"
        ".byte 0\n"
        ".size page_html, . - page_html\n"
        ".popsection\n");

/* SPDX-License-Identifier: MIT */
/* page.h - the page of operators, page.html, as it lies in the program. */
#ifndef PAGE_H
#define PAGE_H

/* HTML, with PAGE_NONCE in place of the nonce of its script and style. Ends with a NUL. */
extern const char page_html[];

#define PAGE_NONCE "NONCE"

#endif

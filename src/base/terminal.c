/* SPDX-License-Identifier: MIT */
#include "base/terminal.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static atomic_int taken;
static struct termios before; /* set once: while taken is 1 */

/* The terminal's words for another screen and a hidden cursor (xterm's 1049), and back. */
#define OTHER_SCREEN "\33[?1049h\33[?25l"
#define FIRST_SCREEN "\33[?25h\33[?1049l"

static void say(const char *text)
{
    ssize_t n = write(STDOUT_FILENO, text, strlen(text));

    (void)n;
}

enum err terminal_take(struct error *e)
{
    struct termios live;

    if (atomic_load(&taken))
        return error_set(e, ERR_INVAL, "the terminal is taken already");
    if (tcgetattr(STDIN_FILENO, &before))
        return error_set(e, ERR_INVAL, "stdin: %s", strerror(errno));
    live = before;
    live.c_lflag &= ~(tcflag_t)(ICANON | ISIG | ECHO);
    live.c_cc[VMIN] = live.c_cc[VTIME] = 0;
    atomic_store(&taken, 1);
    if (tcsetattr(STDIN_FILENO, TCSANOW, &live)) {
        atomic_store(&taken, 0);
        return error_set(e, ERR_INVAL, "stdin: %s", strerror(errno));
    }
    say(OTHER_SCREEN);
    return ERR_OK;
}

void terminal_give_back(void)
{
    if (!atomic_exchange(&taken, 0))
        return;
    say(FIRST_SCREEN);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

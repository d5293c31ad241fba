/* SPDX-License-Identifier: MIT */
#include "base/httpdate.h"

#include <string.h>
#include <strings.h>

enum { DAY_S = 24 * 3600, FAR_YEARS = 50 };

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char *const days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                   "Friday", "Saturday", "Sunday"};

/* The text that has not been read yet. */
struct rest {
    const char *at, *end;
    int bad;
};

static void take_text(struct rest *r, const char *text)
{
    size_t n = strlen(text);

    if (r->bad || (size_t)(r->end - r->at) < n || strncasecmp(r->at, text, n) != 0)
        r->bad = 1;
    else
        r->at += n;
}

/* Exactly n digits. */
static int take_number(struct rest *r, int n)
{
    int v = 0;

    for (; n && !r->bad; n--) {
        if (r->at == r->end || *r->at < '0' || *r->at > '9')
            r->bad = 1;
        else
            v = v * 10 + (*r->at++ - '0');
    }
    return v;
}

/* From 0. */
static int take_month(struct rest *r)
{
    int i;

    for (i = 0; !r->bad && r->end - r->at >= 3 && i < 12; i++)
        if (strncasecmp(r->at, months + i * 3, 3) == 0) {
            r->at += 3;
            return i;
        }
    r->bad = 1;
    return 0;
}

/* The name of a day, whole or its first three letters. */
static int take_day(struct rest *r, int whole)
{
    size_t i, n;

    for (i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        n = whole ? strlen(days[i]) : 3;
        if ((size_t)(r->end - r->at) >= n && strncasecmp(r->at, days[i], n) == 0) {
            r->at += n;
            return 1;
        }
    }
    return 0;
}

struct date {
    int year, month, day, hour, minute, second; /* month from 0 */
};

static void take_time(struct rest *r, struct date *d)
{
    d->hour = take_number(r, 2);
    take_text(r, ":");
    d->minute = take_number(r, 2);
    take_text(r, ":");
    d->second = take_number(r, 2);
}

/* " 06 Nov 1994 08:49:37 GMT" behind the day of the week, or " 06-Nov-94 08:49:37 GMT". */
static void take_date(struct rest *r, struct date *d, const char *between, int digits_of_year)
{
    take_text(r, " ");
    d->day = take_number(r, 2);
    take_text(r, between);
    d->month = take_month(r);
    take_text(r, between);
    d->year = take_number(r, digits_of_year);
    take_text(r, " ");
    take_time(r, d);
    take_text(r, " GMT");
}

/* " Nov  6 08:49:37 1994" */
static void take_asctime(struct rest *r, struct date *d)
{
    take_text(r, " ");
    d->month = take_month(r);
    take_text(r, " ");
    if (r->at < r->end && *r->at == ' ') {
        r->at++;
        d->day = take_number(r, 1);
    } else {
        d->day = take_number(r, 2);
    }
    take_text(r, " ");
    take_time(r, d);
    take_text(r, " ");
    d->year = take_number(r, 4);
}

/* Days from 1970 on. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
 * days_from_civil. */
static int64_t days_of(const struct date *d)
{
    int64_t y = d->year - (d->month < 2), era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * ((d->month + 10) % 12) + 2) / 5 + d->day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t year_of(int64_t now)
{
    return 1970 + now / (DAY_S * (int64_t)146097 / 400);
}

/* RFC 9110, 5.6.7: a year that seems more than 50 years ahead is one of the past. */
static int whole_year(int two_digits, int64_t now)
{
    int64_t this_year = year_of(now), year = this_year - this_year % 100 + two_digits;

    if (year > this_year + FAR_YEARS)
        year -= 100;
    else if (year <= this_year - FAR_YEARS)
        year += 100;
    return (int)year;
}

int httpdate_read(const char *text, size_t n, int64_t now, int64_t *out)
{
    struct rest r = {text, text + n, 0};
    struct date d = {0};

    if (take_day(&r, 1) && r.at < r.end && *r.at == ',') {
        r.at++;
        take_date(&r, &d, "-", 2);
        d.year = whole_year(d.year, now);
    } else {
        r.at = text;
        r.bad = !take_day(&r, 0);
        if (!r.bad && r.at < r.end && *r.at == ',') {
            r.at++;
            take_date(&r, &d, " ", 4);
        } else {
            take_asctime(&r, &d);
        }
    }
    if (r.bad || r.at != r.end || d.day < 1 || d.day > 31 || d.hour > 23 || d.minute > 59 ||
        d.second > 60)
        return 0;
    *out = days_of(&d) * DAY_S + d.hour * 3600 + d.minute * 60 + d.second;
    return 1;
}

/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  Schedules as cron writes them: what they say, and when that is next.
 *
 * Pure rules: nothing here knows a table, a clock or a time zone.  The same
 * text must mean the same to pg_cron, which reads schedules with the code of
 * Vixie's cron.  So all that is accepted here is accepted there and means the
 * same, with its two peculiarities: Sunday is 0 and 7, and a day must match
 * both of the fields for days if one of them begins with an asterisk, either
 * of them otherwise.  What that code takes and misreads is refused: text after
 * a value or after the last field, a range that runs backwards.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "schedule.h"

#define BLANKS " \t"
#define MINUTES_PER_DAY 1440

/*
 * A day that a schedule allows at all comes within 40 years: the longest wait
 * is for a February 29 on one day of the week, over a year such as 2100.
 */
#define HORIZON_DAYS (INT64CONST(41) * 366)

/* 2000-01-01, the day 0 of a timestamp, counted from 0000-03-01 */
#define EPOCH_DAY 730425
#define EPOCH_WEEKDAY 6			/* a Saturday */
#define DAYS_PER_ERA 146097		/* 400 years */

/* One of the five fields. */
typedef struct Field
{
	const char *what;
	int			low;
	int			high;
	const char *names;			/* of the values from low on, three letters
								 * each; NULL: none */
} Field;

static const Field fields[] = {
	{"minute", 0, 59, NULL},
	{"hour", 0, 23, NULL},
	{"day of the month", 1, 31, NULL},
	{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
	{"day of the week", 0, 7, "sunmontuewedthufrisat"}
};

/* What stands for five fields; cron compares these exactly. */
static const struct
{
	const char *word;
	const char *fields;
}			words[] =

{
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
	{"@monthly", "0 0 1 * *"},
	{"@weekly", "0 0 * * 0"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@hourly", "0 * * * *"}
};

/* ---- reading ---- */

/* What is read, how far, and why it is refused. */
typedef struct Reader
{
	const Field *field;
	const char *next;
	char	   *why;			/* a sentence; NULL: nothing was wrong */
} Reader;

/* Refuse a field for its next characters, up to a blank. */
static bool
refuse(Reader *reader, const char *text, const char *why)
{
	reader->why = psprintf("The %s \"%.*s\" %s.", reader->field->what,
						   (int) strcspn(text, BLANKS), text, why);
	return false;
}

/* The value of a name with three letters, whatever their case; -1: none. */
static int
value_of_name(const Field *field, const char *text)
{
	const char *name = field->names;

	for (int value = field->low; name != NULL && *name != '\0'; value++)
	{
		if (pg_strncasecmp(text, name, 3) == 0)
			return value;
		name += 3;
	}
	return -1;
}

/* Read digits as a number; a long one is as good as the largest. */
static bool
read_digits(Reader *reader, int *number)
{
	size_t		length = strspn(reader->next, "0123456789");

	*number = 0;
	for (size_t i = 0; i < length; i++)
		*number = Min(*number * 10 + (reader->next[i] - '0'), 10000);
	reader->next += length;
	return length > 0;
}

/* Read a number or a name that the field can have. */
static bool
read_value(Reader *reader, int *value)
{
	const Field *field = reader->field;
	const char *start = reader->next;

	if (!read_digits(reader, value))
	{
		*value = value_of_name(field, start);
		if (*value < 0)
			return refuse(reader, start, field->names == NULL ?
						  "is not a number" : "is neither a number nor a name");
		reader->next += 3;
	}
	if (*value < field->low || *value > field->high)
		return refuse(reader, start,
					  psprintf("is not between %d and %d", field->low,
							   field->high));
	return true;
}

/* Read what follows the slash: every how many values. */
static bool
read_step(Reader *reader, int *step)
{
	const char *start = ++reader->next;

	if (!read_digits(reader, step))
		return refuse(reader, start, "is not a step");
	if (*step == 0)
		return refuse(reader, start, "cannot be a step");
	return true;
}

/* Read "*", a value or a range, perhaps with a step; add it to a set. */
static bool
read_range(Reader *reader, uint64 *set)
{
	const char *start = reader->next;
	int			first = reader->field->low;
	int			last = reader->field->high;
	int			step = 1;
	bool		single = false;

	if (*reader->next == '*')
		reader->next++;
	else
	{
		if (!read_value(reader, &first))
			return false;
		single = *reader->next != '-';
		last = first;
		if (!single)
		{
			reader->next++;
			if (!read_value(reader, &last))
				return false;
		}
	}
	if (first > last)
		return refuse(reader, start, "runs backwards");
	if (*reader->next == '/')
	{
		if (single)
			return refuse(reader, start, "has a step but is no range");
		if (!read_step(reader, &step))
			return false;
	}
	for (int value = first; value <= last; value += step)
		*set |= UINT64CONST(1) << value;
	return true;
}

/* Read one field, up to and over the blanks that follow it. */
static bool
read_field(Reader *reader, uint64 *set)
{
	const char *start = reader->next;

	*set = 0;
	if (*start == '\0')
	{
		reader->why = psprintf("The %s is missing.", reader->field->what);
		return false;
	}
	while (read_range(reader, set) && *reader->next == ',')
		reader->next++;
	if (reader->why != NULL)
		return false;
	if (*reader->next != '\0' && strchr(BLANKS, *reader->next) == NULL)
		return refuse(reader, start, "is not a list of values and ranges");
	reader->next += strspn(reader->next, BLANKS);
	return true;
}

/* Read the five fields. */
static bool
read_fields(Reader *reader, PartnerApiSchedule *schedule)
{
	uint64		sets[lengthof(fields)];
	bool		stars[lengthof(fields)];

	for (int i = 0; i < (int) lengthof(fields); i++)
	{
		reader->field = &fields[i];
		stars[i] = *reader->next == '*';
		if (!read_field(reader, &sets[i]))
			return false;
	}
	if (*reader->next != '\0')
	{
		reader->why = psprintf("There is more after the %s: \"%s\".",
							   reader->field->what, reader->next);
		return false;
	}
	schedule->minutes = sets[0];
	schedule->hours = (uint32) sets[1];
	schedule->days = (uint32) sets[2];
	schedule->months = (uint32) sets[3];
	/* Sunday is 0 and 7 */
	schedule->weekdays = (uint32) (sets[4] | sets[4] >> 7) & 0x7F;
	schedule->any_day = stars[2];
	schedule->any_weekday = stars[4];
	return true;
}

/* The fields that a word beginning with "@" stands for; NULL: none. */
static const char *
fields_of_word(const char *word, size_t length)
{
	for (int i = 0; i < (int) lengthof(words); i++)
	{
		if (strlen(words[i].word) == length &&
			strncmp(words[i].word, word, length) == 0)
			return words[i].fields;
	}
	return NULL;
}

/*
 * Read a schedule.  Returns NULL if it is one, or else a sentence that says
 * what is wrong with it, palloc'd; one whose day never comes is wrong too.
 */
char *
partner_api_schedule_parse(PartnerApiSchedule *schedule, const char *text)
{
	Reader		reader = {.next = text + strspn(text, BLANKS)};
	size_t		length = strcspn(reader.next, BLANKS);

	memset(schedule, 0, sizeof(*schedule));
	if (strlen(text) > PARTNER_API_LONGEST_SCHEDULE)
		return psprintf("It has more than %d characters.",
						PARTNER_API_LONGEST_SCHEDULE);
	if (*reader.next == '@')
	{
		const char *word = reader.next;

		if (word[length + strspn(word + length, BLANKS)] != '\0')
			return psprintf("There is more after the word: \"%s\".", word);
		schedule->at_start = length == strlen("@reboot") &&
			strncmp(word, "@reboot", length) == 0;
		if (schedule->at_start)
			return NULL;
		reader.next = fields_of_word(word, length);
		if (reader.next == NULL)
			return psprintf("The word \"%.*s\" is not known.", (int) length,
							word);
	}
	if (!read_fields(&reader, schedule))
		return reader.why;
	if (partner_api_schedule_next(schedule, 0) == DT_NOEND)
		return pstrdup("There is no such day.");
	return NULL;
}

/* ---- when it is next ---- */

/* Division that rounds down. */
static int64
divide_down(int64 number, int64 by)
{
	return number / by - (number % by < 0 ? 1 : 0);
}

/*
 * The month and the day of the month of a day since 2000-01-01.  In years
 * that begin in March the leap day is the last one, and the months have 153
 * days in each group of five.
 */
static void
month_and_day(int64 day, int *month, int *day_of_month)
{
	int64		count = day + EPOCH_DAY;
	int			day_of_era = (int) (count -
									divide_down(count, DAYS_PER_ERA) *
									DAYS_PER_ERA);
	int			year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
						day_of_era / 146096) / 365;
	int			day_of_year = day_of_era -
	(365 * year + year / 4 - year / 100);
	int			from_march = (5 * day_of_year + 2) / 153;

	*day_of_month = day_of_year - (153 * from_march + 2) / 5 + 1;
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
}

/* May it run on a day? */
static bool
allows_day(const PartnerApiSchedule *schedule, int64 day)
{
	int64		days = day + EPOCH_WEEKDAY;
	int			weekday = (int) (days - divide_down(days, 7) * 7);
	int			month;
	int			day_of_month;
	bool		day_matches;
	bool		weekday_matches = (schedule->weekdays >> weekday & 1) != 0;

	month_and_day(day, &month, &day_of_month);
	if ((schedule->months >> month & 1) == 0)
		return false;
	day_matches = (schedule->days >> day_of_month & 1) != 0;
	if (schedule->any_day || schedule->any_weekday)
		return day_matches && weekday_matches;
	return day_matches || weekday_matches;
}

/* The first minute of a day, from one on, at which it may run; -1: none. */
static int
first_minute(const PartnerApiSchedule *schedule, int from)
{
	for (int minute = from; minute < MINUTES_PER_DAY; minute++)
	{
		if ((schedule->hours >> minute / 60 & 1) != 0 &&
			(schedule->minutes >> minute % 60 & 1) != 0)
			return minute;
	}
	return -1;
}

/*
 * The first time later than "after" at which it is to run; DT_NOEND if there
 * is none, or none that can be told beforehand.
 */
TimestampTz
partner_api_schedule_next(const PartnerApiSchedule *schedule,
						  TimestampTz after)
{
	int64		minute = divide_down(after, USECS_PER_MINUTE) + 1;
	int64		day = divide_down(minute, MINUTES_PER_DAY);
	int			from = (int) (minute - day * MINUTES_PER_DAY);

	if (schedule->at_start)
		return DT_NOEND;
	for (int64 last = day + HORIZON_DAYS; day <= last; day++, from = 0)
	{
		int			at = allows_day(schedule, day) ?
		first_minute(schedule, from) : -1;

		if (at < 0)
			continue;
		minute = day * MINUTES_PER_DAY + at;
		/* beyond the last timestamp there is no next time */
		if (minute >= END_TIMESTAMP / USECS_PER_MINUTE)
			break;
		return minute * USECS_PER_MINUTE;
	}
	return DT_NOEND;
}

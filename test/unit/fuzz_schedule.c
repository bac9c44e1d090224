/*-------------------------------------------------------------------------
 *
 * fuzz_schedule.c
 *	  Fuzz target: any text is a schedule with times, or is refused.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "input.h"

#include "schedule.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/*
 * Each time is a full minute later than the one before.
 */
static void
require_times(const PartnerApiSchedule *schedule)
{
	TimestampTz at = 0;

	for (int i = 0; i < 3; i++)
	{
		TimestampTz next = partner_api_schedule_next(schedule, at);

		require(next > at && next != DT_NOEND);
		require(next % USECS_PER_MINUTE == 0);
		at = next;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input		input = {.bytes = bytes,.size = size};
	PartnerApiSchedule schedule;
	char	   *why;

	why = partner_api_schedule_parse(&schedule, take_text(&input, NULL));
	if (why != NULL)
		require(*why != '\0');
	else if (!schedule.at_start)
		require_times(&schedule);
	backend_reset();
	return 0;
}

/*
 * The worker's writing without its requests: claim(), settle() and
 * create_rows(), the mirror, hold the worker's own statements (Statements.pm).
 */

/* Claim creates as the worker does when nothing is stopped. */
CREATE FUNCTION bench.claim_due(batch integer)
RETURNS TABLE (claimed_id bigint, claimed_lease bigint)
LANGUAGE sql AS $$
	SELECT * FROM bench.claim('bench', clock_timestamp(), batch, 'infinity',
		NULL, NULL, false, '-infinity', 0);
$$;

/* Settle creates that were claimed, as the worker does when all went well. */
CREATE FUNCTION bench.settle_creates(ids bigint[], leases bigint[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	n integer := cardinality(ids);
	now timestamptz := clock_timestamp();
	nows timestamptz[] := array_fill(now, ARRAY[n]);
	ones integer[] := array_fill(1, ARRAY[n]);
	nothing text[] := array_fill(NULL::text, ARRAY[n]);
	instances text[];
	details text[];
	events bigint[];
BEGIN
	SELECT array_agg('3C' || lpad(id::text, 30, '0')),
		   array_agg(format('{"name": "drain %s", "trial_end": "lapse", '
			'"created_at": "%s", "trial_ends_at": "%s", '
			'"trial_estimated": false, "provider_due_at": "%3$s", '
			'"token_fingerprint": "0123456789abcdef"}',
			id, now, now + interval '2 days'))
	  INTO instances, details FROM unnest(ids) id;
	SELECT array_agg(settled_event) INTO events
	  FROM bench.settle(ids, leases, ones, array_fill(0, ARRAY[n]),
		   array_fill('send'::text, ARRAY[n]),
		   array_fill('done'::text, ARRAY[n]),
		   array_fill(200, ARRAY[n]), ones, nows, nows, nothing,
		   array_fill('done'::text, ARRAY[n]), nows, details,
		   array_fill('created'::text, ARRAY[n]), instances, details,
		   array_fill('0123456789ABCDEF01234567'::text, ARRAY[n]), nothing,
		   now);
	PERFORM bench.create_rows(events);
END $$;

/*
 * Write everything that draining the queue writes, "batch" actions at a time:
 * verdicts share a commit with the next claims, as in the worker.
 */
CREATE PROCEDURE bench.record_all(batch integer)
LANGUAGE plpgsql AS $$
DECLARE
	ids bigint[];
	leases bigint[];
BEGIN
	LOOP
		IF ids IS NOT NULL THEN
			PERFORM bench.settle_creates(ids, leases);
		END IF;
		SELECT array_agg(claimed_id), array_agg(claimed_lease)
		  INTO ids, leases
		  FROM bench.claim_due(batch);
		COMMIT;
		EXIT WHEN ids IS NULL;
	END LOOP;
END $$;

/* One action alone, for calls that are waited for: claim, then record. */
CREATE FUNCTION bench.claim_one() RETURNS bigint
LANGUAGE sql AS $$
	SELECT claimed_id FROM bench.claim_due(1);
$$;

CREATE FUNCTION bench.record_one(id bigint) RETURNS void
LANGUAGE sql AS $$
	SELECT bench.settle_creates(ARRAY[id], ARRAY[1::bigint]);
$$;

SELECT bench.claim_one() AS id \gset
SELECT bench.record_one(:id);

-- Trials that will be lost unless somebody does something:
SELECT name, reason, slack::interval(0) FROM partner_api.trials_at_risk;
-- One of the two customers pays, which approves its trial.
INSERT INTO shop.payments VALUES ('Livraria Saber', 7990);
SELECT name, reason, slack::interval(0) FROM partner_api.trials_at_risk;

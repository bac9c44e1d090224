SELECT partner_api.create_plan('bench_plans', 'called', 9900, 'monthly', description => 'A plan');

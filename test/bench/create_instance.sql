SELECT partner_api.create_instance('bench', 'called', trial_end => 'lapse');

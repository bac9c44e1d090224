# Some of the fault matrix: each step of the protocol and each fault once.
# "make test-faults" goes through all of it, again and again.

use strict;
use warnings;

use PartnerApi::Faults;
use Test::More;

my $seed = $ENV{PARTNER_API_SEED} // 1;

note("seed $seed");
PartnerApi::Faults::perform($seed, PartnerApi::Faults::selection($seed));
done_testing();

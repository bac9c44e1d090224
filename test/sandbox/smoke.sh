#!/usr/bin/env bash
#
# smoke.sh
#	  Does the sandbox behave as README.md says?
#
# Starts the program given as the first argument on a free port, asks it with
# curl, and prints one line for each check that fails and a total.

set -u
program=${1:?usage: smoke.sh PROGRAM}
work=$(mktemp -d)
passed=0
failed=0

mkfifo "$work/out"
"$program" --port-file "$work/port" >"$work/out" 2>"$work/err" &
server=$!
trap 'kill "$server" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
read -r line <"$work/out"
S=${line#listening on }

token='Authorization: Bearer sandbox-partner-token'
client='Client-Token: sandbox-client-token'
json='Content-Type: application/json'

# check WHAT WANTED GOT
check()
{
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'not ok: %s\n  wanted: %s\n  got:    %s\n' "$1" "$2" "$3"
	fi
}

# The answer: status and body
plain_call()
{
	curl -s -o "$work/body" -w '%{http_code} ' -X "$1" "${@:3}" "$S$2"
	tr -d '\0' <"$work/body" 2>/dev/null
	rm -f "$work/body"
}

# The same with both credentials
call()
{
	plain_call "$1" "$2" -H "$token" -H "$client" "${@:3}"
}

# A call's curl exit code, on a connection of its own
curl_code()
{
	curl -s -m 5 -o /dev/null -H "$token" -H "$client" "$@"
	echo $?
}

# A control call, through a jq filter
control()
{
	curl -s "$S/_sandbox/$1" "${@:3}" | jq -c -r "$2"
}

fault()
{
	control faults .id -d "$1" >/dev/null
}

reset()
{
	control reset . -X POST >/dev/null
}

create()
{
	call POST /instances/integrator/on-demand -H "$json" -d "{\"name\":\"$1\"}"
}

# Create NAME and set id, token and the path prefix of the instance
made()
{
	local answer

	answer=$(create "$1")
	id=$(jq -r .id <<<"${answer#* }")
	path=/instances/$id/token/$(jq -r .token <<<"${answer#* }")
}

counter()
{
	control counters ".operations.$1.$2"
}

sign=integrator/on-demand/subscription
cancel=integrator/on-demand/cancel
delete=integrator/on-demand/delete

check_create_and_list()
{
	local answer

	answer=$(create shop-1)
	check "create answers id, token, due" '200 true true number' \
		"${answer%% *} $(jq -r '[(.id|test("^[0-9A-F]{32}$")),
			(.token|test("^[0-9A-F]{24}$")), (.due|type)]|join(" ")' \
			<<<"${answer#* }")"
	check "create without token" '401 Bad Credentials' \
		"$(plain_call POST /instances/integrator/on-demand -H 'Authorization: Bearer x')"
	check "create without Content-Type" 415 \
		"$(call POST /instances/integrator/on-demand -H 'Content-Type:' -d '{}' | cut -c1-3)"
	check "create without a name" '400 {"error":"name is required"}' \
		"$(call POST /instances/integrator/on-demand -H "$json" -d '{}')"
	check "GET on create's path" 405 \
		"$(call GET /instances/integrator/on-demand | cut -c1-3)"
	check "unknown path" 404 "$(call GET /nowhere | cut -c1-3)"
	answer=$(call GET '/instances?page=1&pageSize=15&query=shop-1')
	check "list has one row" '1 1 15 1 shop-1 TRIAL web' \
		"$(jq -r '[.total,.totalPage,.pageSize,.page,.content[0].name,
			.content[0].paymentStatus,.content[0].middleware]|map(tostring)|join(" ")' \
			<<<"${answer#* }")"
	check "list row's keys" 18 "$(jq '.content[0]|length' <<<"${answer#* }")"
	check "list wants page" 400 "$(call GET /instances | cut -c1-3)"
	check "effects of the name" '{"creates":1,"signs":0,"updates":0,"cancels":0,"deletes":0,"disconnects":0}' \
		"$(control 'counters?name=shop-1' '.names["shop-1"]')"
	check "refusals are counted" 3 "$(counter create_instance refused)"
	reset
	control instances .seeded -d '{"count":95,"prefix":"n-"}' >/dev/null
	answer=$(call GET '/instances?page=10&pageSize=10')
	check "last page" '95 10 5' \
		"$(jq -r '[.total,.totalPage,(.content|length)]|map(tostring)|join(" ")' <<<"${answer#* }")"
	control config . -d '{"list_order":"newest"}' >/dev/null
	answer=$(call GET '/instances?page=2&pageSize=10')
	check "newest first" n-85 "$(jq -r '.content[0].name' <<<"${answer#* }")"
	control config . -d '{"list_lag_seconds":60,"list_order":"oldest"}' >/dev/null
	create late >/dev/null
	answer=$(call GET '/instances?page=1&pageSize=1&query=late')
	check "a created instance is not listed yet" 0 "$(jq .total <<<"${answer#* }")"
	control clock . -d '{"advance_seconds":61}' >/dev/null
	answer=$(call GET '/instances?page=1&pageSize=1&query=late')
	check "and is after the lag" 1 "$(jq .total <<<"${answer#* }")"
}

check_life()
{
	local first

	control clock . -d '{"set":"2026-05-01T12:00:00Z"}' >/dev/null
	made kept
	check "sign" '201 {"due":1781060400000}' "$(call POST "$path/$sign")"
	check "sign again" '400 {"error":"This instance is already paid"}' \
		"$(call POST "$path/$sign")"
	check "one sign" 1 "$(counter sign_instance effects)"
	check "update wants true" 400 \
		"$(call PUT "$path/$sign/update" -H "$json" -d '{"withCalls":false}' | cut -c1-3)"
	check "update" 201 \
		"$(call PUT "$path/$sign/update" -H "$json" -d '{"withCalls":true}' | cut -c1-3)"
	check "update by its other path" 201 \
		"$(call PUT "$path/integrator/subscription/update" -H "$json" -d '{"withCalls":true}' | cut -c1-3)"
	check "wrong instance token" 404 "$(call POST "${path}X/$sign" | cut -c1-3)"
	first=$(call POST "$path/$cancel")
	check "cancel ends after 30 days" '201 {"due":1780228800000}' \
		"$(sed 's/[0-9]\{4\}}$/0000}/' <<<"$first")"
	check "cancel again" "$first" "$(call POST "$path/$cancel")"
	check "one cancel" 1 "$(counter cancel_instance effects)"
	check "not deleted while in cancellation" 400 \
		"$(call DELETE "$path/$delete" | cut -c1-3)"
	control clock . -d '{"advance_seconds":2592001}' >/dev/null
	check "cancelled by time" cancelled "$(control "state?id=$id" '.instances[0].state')"
	check "not deleted before 40 days" 400 "$(call DELETE "$path/$delete" | cut -c1-3)"
	control clock . -d '{"advance_seconds":864000}' >/dev/null
	check "deleted" '200 {"value":true}' "$(call DELETE "$path/$delete")"
	check "cancel of what is gone" '404 {"error":"Instance not found"}' \
		"$(call POST "$path/$cancel")"
	made lapsing
	control clock . -d '{"advance_seconds":172801}' >/dev/null
	check "sign after the trial" '404 {"error":"Instance not found"}' \
		"$(call POST "$path/$sign")"
	check "a lapsed trial is not listed" 0 \
		"$(call GET '/instances?page=1&pageSize=9' | cut -c5- | jq .total)"
	made trial
	check "a trial is not deleted" 400 "$(call DELETE "$path/$delete" | cut -c1-3)"
	check "bulk delete judges each" '["Instance not found","An instance in trial cannot be deleted"]' \
		"$(call POST /instances/integrator/on-demand/batch-delete -H "$json" \
			-d "{\"instances\":[{\"id\":\"$id\",\"token\":\"x\"},{\"id\":\"$id\",\"token\":\"${path##*/}\"}]}" |
			cut -c5- | jq -c '[.results[]|.error]')"
	check "cancelling a trial ends it" cancelled \
		"$(call POST "$path/$cancel" >/dev/null; control "state?id=$id" '.instances[0].state')"
}

check_instance_calls()
{
	made phone
	check "no client token" '400 {"error":"your client-token is not configured"}' \
		"$(plain_call GET "$path/status")"
	check "wrong client token" '403 {"error":"Client-Token abc not allowed"}' \
		"$(plain_call GET "$path/status" -H 'Client-Token: abc')"
	check "status" '200 {"connected":false,"error":"You are not connected.","smartphoneConnected":false}' \
		"$(call GET "$path/status")"
	check "QR is a PNG" '89504e47' \
		"$(call GET "$path/qr-code/image" | cut -c5- | jq -r .value | cut -d, -f2 | base64 -d | od -An -tx1 -N4 | tr -d ' \n')"
	check "phone code" 8 \
		"$(call GET "$path/phone-code/5511999999999" | cut -c5- | jq '.value|length')"
	control "instances/$id" .connected -d '{"connected":true}' >/dev/null
	check "status of a connected one" '200 {"connected":true,"error":"You are already connected.","smartphoneConnected":true}' \
		"$(call GET "$path/status")"
	check "disconnect" '200 {"value":true}' "$(call GET "$path/disconnect")"
	check "restart" '200 {"value":true}' "$(call GET "$path/restart")"
	check "disconnect is GET" 405 "$(call POST "$path/disconnect" | cut -c1-3)"
	check "percent-encoded path" 200 "$(call GET "${path/instances/%69nstances}/status" | cut -c1-3)"
	check "token is masked" "/instances/$id/token/***/status" \
		"$(control 'requests?operation=instance_status&limit=1' '.requests[0].path' | sed 's/%69/i/')"
}

# A call of Green API: METHOD, partner method, body
green()
{
	plain_call "$1" "/partner/$2/sandbox-partner-token" \
		${3:+-H "$json" -d "$3"} "${@:4}"
}

# A call of an instance of Green API: METHOD, method, body
green_instance()
{
	plain_call "$1" "/waInstance$id/$2/$token_of_id" ${3:+-H "$json" -d "$3"}
}

# Create NAME at Green API and set id and token_of_id
green_made()
{
	local answer

	answer=$(green POST createInstance "{\"name\":\"$1\",\"stateWebhook\":\"yes\"}")
	id=$(jq -r .idInstance <<<"${answer#* }")
	token_of_id=$(jq -r .apiTokenInstance <<<"${answer#* }")
}

green_rows()
{
	green GET getInstances | cut -c5- | jq -c -r "$1"
}

advance()
{
	control clock . -d "{\"advance_seconds\":$1}" >/dev/null
}

check_greenapi_partner()
{
	local not_found='200 {"code":404,"description":"Not found"}'
	local wrong='/partner/createInstance/gac.wrong'

	control clock . -d '{"set":"2026-05-01T22:30:00Z"}' >/dev/null
	check "create at Green API" '200 true true whatsapp' \
		"$(green POST createInstance '{"name":"shop-1"}' |
			jq -r -R 'split(" ") | .[0] as $status | .[1] | fromjson |
				[$status, (.idInstance|tostring|test("^[1-9][0-9]{9}$")),
				(.apiTokenInstance|test("^[0-9a-f]{50}$")), .typeInstance] |
				map(tostring) | join(" ")')"
	check "create without a body" 200 "$(green POST createInstance | cut -c1-3)"
	check "it has a name all the same" true \
		"$(green_rows '.[1] | .name == "Instance \(.idInstance)"')"
	check "a switch is no boolean" '200 {"code":400,"description":"Bad Request Validation failed"}' \
		"$(green POST createInstance '{"stateWebhook":true}')"
	check "times are local, without a zone" \
		'["2026-05-02T01:30:00","0001-01-01T00:00:00","2026-05-03T01:30:00",false,"PARTNER_23"]' \
		"$(green_rows '.[0] | [(.timeCreated,.timeDeleted,.expirationDate |
			sub(":[0-9]{2}$"; ":00")), .deleted, .tariff]')"
	check "getInstances may be a POST" "$(green GET getInstances)" \
		"$(green POST getInstances)"
	check "Z-API's list shows none" 0 \
		"$(call GET '/instances?page=1&pageSize=9' | cut -c5- | jq .total)"
	made other
	check "nor Green API's one of Z-API" 2 "$(green_rows length)"
	check "Z-API's ids are unknown here" "$not_found" \
		"$(green POST deleteInstanceAccount '{"idInstance":1}')"
	green_made doomed
	control "instances/$id" . -d '{"state":"ready","connected":true}' >/dev/null
	advance 86400
	check "days billed" 2 "$(control "state?id=$id" '.instances[0].days_billed')"
	check "an id is sent as a number" 200 \
		"$(green POST deleteInstanceAccount "{\"idInstance\":\"$id\"}" | cut -c1-3)"
	check "delete" '200 {"deleteInstanceAccount":true}' \
		"$(green POST deleteInstanceAccount "{\"idInstance\":$id}")"
	check "delete again" "$not_found" \
		"$(green POST deleteInstanceAccount "{\"idInstance\":$id}")"
	check "one delete" 1 "$(counter delete_instance effects)"
	check "its phone is still linked" 1 "$(control counters .phones_left_linked)"
	check "a deleted one is listed" 'true 2026-05-03T01' \
		"$(green_rows '.[2] | "\(.deleted) \(.timeDeleted[:13])"')"
	check "calls of a deleted one" '400 Instance is deleted' \
		"$(green_instance GET getStateInstance)"
	control config . -d '{"greenapi_deleted_calls":"starting"}' >/dev/null
	check "may look as if it started" '200 {"stateInstance":"starting"}' \
		"$(green_instance GET getStateInstance)"
	advance 7776001
	check "for three months" 2 "$(green_rows length)"
	check "bad token" '200 {"code":401,"description":"Unauthorized"}' \
		"$(plain_call POST "$wrong")"
	check "no such path" '200 {"code":401,"description":"Unauthorized"}' \
		"$(green POST deleteInstance)"
	check "wrong method" '404 Not Found' "$(green GET createInstance)"
	control config . -d '{"greenapi_errors":"host"}' >/dev/null
	check "one host has a status" '400 Unauthorized' \
		"$(plain_call POST "$wrong" -H 'Host: api.green-api.com')"
	check "the other has not" '200 {"code":401,"description":"Unauthorized"}' \
		"$(plain_call POST "$wrong" -H 'Host: api.greenapi.com')"
	control config . -d '{"greenapi_errors":"json","greenapi_error_status":0}' >/dev/null
	check "its own status" '401 {"code":401,"description":"Unauthorized"}' \
		"$(plain_call POST "$wrong")"
	check "tokens are masked" '["/partner/createInstance/***","/partner/***/***"]' \
		"$(plain_call POST "/partner/$token_of_id/x" >/dev/null
			control 'requests?limit=2' '[.requests[].path]' | sed "s/$token_of_id/***/")"
	check "also where there is but one" '["/waInstance1/***"]' \
		"$(plain_call POST "/waInstance1/$token_of_id" >/dev/null
			control 'requests?limit=1' '[.requests[].path]')"
}

check_greenapi_config()
{
	control config . -d '{"greenapi_free_instances":1,"greenapi_save_errors":1,
		"greenapi_id_digits":12,"greenapi_id_as_string":true,
		"greenapi_list_token":"missing","list_lag_seconds":60,
		"greenapi_api_url":"https://7107.api.greenapi.com"}' >/dev/null
	check "not saved" '200 {"code":200,"description":"Error saving instance. Try creating the instance again."}' \
		"$(green POST createInstance '{}')"
	check "an id of 12 digits as a string, and the URL" \
		'[12,"https://7107.api.greenapi.com"]' \
		"$(green POST createInstance '{}' | cut -c5- | jq -c '[(.idInstance|length),.apiUrl]')"
	check "no free instances" 100 \
		"$(green POST createInstance '{}' | cut -c5- | jq .code)"
	check "one create" 1 "$(counter create_instance effects)"
	check "not listed yet" '[]' "$(green_rows .)"
	advance 61
	check "then without its token" false "$(green_rows '.[0]|has("apiTokenInstance")')"
	control instances . -d '{"provider":"greenapi","name":"foreign","connected":true}' >/dev/null
	check "a seeded one is ready" '["ready","authorized"]' \
		"$(control 'state?name=foreign' '.instances[0]|[.state,.stateInstance]')"
}

check_greenapi_instance()
{
	green_made phone
	check "null while it is made" '200 null' "$(green_instance GET getStateInstance)"
	check "early 401" '401 Unauthorized' "$(green_instance GET getSettings)"
	control config . -d '{"greenapi_early":"expired"}' >/dev/null
	check "or early 400" 400 "$(green_instance POST setSettings '{}' | cut -c1-3)"
	advance 31
	check "then it starts" '200 {"stateInstance":"starting"}' \
		"$(green_instance GET getStateInstance)"
	check "no QR yet" '400 instance in starting process try later' \
		"$(green_instance GET qr)"
	advance 90
	check "then it is ready" '200 {"stateInstance":"notAuthorized"}' \
		"$(green_instance GET getStateInstance)"
	check "its QR is a PNG" '"qrCode" 89504e47' \
		"$(green_instance GET qr | cut -c5- >"$work/qr"
			printf '%s ' "$(jq .type "$work/qr")"
			jq -r .message "$work/qr" | base64 -d | od -An -tx1 -N4 | tr -d ' \n')"
	check "settings of the create" '["yes","no",500]' \
		"$(green_instance GET getSettings | cut -c5- |
			jq -c '[.stateWebhook,.deviceWebhook,.delaySendMessagesMilliseconds]')"
	check "authorization code" 8 \
		"$(green_instance POST getAuthorizationCode '{"phoneNumber":441234567890}' | cut -c5- | jq '.code|length')"
	check "the number is no string" '400 bad request data' \
		"$(green_instance POST getAuthorizationCode '{"phoneNumber":"441234567890"}')"
	control "instances/$id" . -d '{"connected":true}' >/dev/null
	check "authorized" '200 {"stateInstance":"authorized"}' \
		"$(green_instance GET getStateInstance)"
	check "no QR any more" alreadyLogged \
		"$(green_instance GET qr | cut -c5- | jq -r .type)"
	check "set settings" '200 {"saveSettings":true}' \
		"$(green_instance POST setSettings '{"deviceWebhook":"yes"}')"
	check "restarts it" '200 {"stateInstance":"starting"}' \
		"$(green_instance GET getStateInstance)"
	advance 21
	check "both are kept" '["yes","yes"]' \
		"$(green_instance GET getSettings | cut -c5- | jq -c '[.stateWebhook,.deviceWebhook]')"
	check "logout" '200 {"isLogout":true}' "$(green_instance GET logout)"
	check "has one effect" 1 "$(counter disconnect_instance effects)"
	check "logout again has none" '200 {"isLogout":true} 1' \
		"$(green_instance GET logout) $(counter disconnect_instance effects)"
	control config . -d '{"greenapi_settings_kept":"none","greenapi_needs_reboot":true}' >/dev/null
	green_made lost
	advance 100000
	check "one that never starts" '200 {"stateInstance":"starting"}' \
		"$(green_instance GET getStateInstance)"
	check "reboot" '200 {"isReboot":true}' "$(green_instance GET reboot)"
	advance 21
	check "helps, but settings are lost" no \
		"$(green_instance GET getSettings | cut -c5- | jq -r .stateWebhook)"
	token_of_id=wrong
	check "wrong token" '401 Unauthorized' "$(green_instance GET qr)"
	id=1
	check "wrong id" '403 Forbidden' "$(green_instance GET qr)"
}

check_config()
{
	control config . -d '{"tokens":[{"token":"sandbox-partner-token","quota":1}],"due_as":"string","mangle_names":"truncate:4"}' >/dev/null
	made quota-1
	check "name is cut" quot "$(control "state?id=$id" '.instances[0].name')"
	check "quota" 400 "$(create quota-2 | cut -c1-3)"
	check "due as a string" string \
		"$(call GET '/instances?page=1&pageSize=1' | cut -c5- | jq -r '.content[0].due|type')"
	check "bad value changes nothing" '400' \
		"$(curl -s -o /dev/null -w '%{http_code}' "$S/_sandbox/config" -d '{"due_as":"x"}')"
	check "unknown key" '{"error":"unknown key: x"}' "$(control config . -d '{"x":1}')"
	control config . -d '{"sign_body":"empty"}' >/dev/null
	check "sign with an empty body" '201 ' "$(call POST "$path/$sign")"
	control clock . -d '{"set":"2030-01-01T00:00:00Z"}' >/dev/null
	check "Date header follows the clock" 'Tue, 01 Jan 2030' \
		"$(curl -s -D - -o /dev/null "$S/nowhere" | tr -d '\r' | sed -n 's/^Date: \(.*\) [0-9:]* GMT$/\1/p')"
}

check_faults()
{
	fault '{"operation":"create_instance","type":"status","status":503,"body":{"a":1},"headers":{"X-Y":"z"}}'
	check "status before the effect" '503 {"a":1}' "$(create f)"
	check "no effect" 0 "$(counter create_instance effects)"
	fault '{"type":"status","status":502,"after_effect":true,"skip":1}'
	create f >/dev/null
	check "skip, then status after the effect" '502 ' "$(create f)"
	check "two effects" 2 "$(counter create_instance effects)"
	check "seen as created twice" 1 "$(control counters .names_created_more_than_once)"
	fault '{"type":"rate_limit","retry_after":7}'
	check "rate limit" 7 \
		"$(curl -s -D - -o /dev/null -H "$token" "$S/instances" | tr -d '\r' | sed -n 's/^Retry-After: //p')"
	fault '{"type":"redirect","location":"http://127.0.0.1:1/"}'
	check "redirect" '302 ' "$(call GET /instances)"
	fault '{"type":"reset_before"}'
	check "reset" 56 "$(curl_code "$S/instances?page=1&pageSize=1")"
	fault '{"type":"close_after"}'
	check "close" 52 "$(curl_code "$S/instances?page=1&pageSize=1")"
	fault '{"type":"truncate"}'
	check "truncate" 18 "$(curl_code "$S/instances?page=1&pageSize=1")"
	fault '{"type":"cut"}'
	check "cut" '200 no JSON' \
		"$(call GET '/instances?page=1&pageSize=1' >"$work/cut"; cut -c1-4 "$work/cut" | tr -d '\n'
			cut -c5- "$work/cut" | jq . >/dev/null 2>&1 || echo no JSON)"
	fault '{"type":"wrong_types"}'
	check "wrong types" 'number object' \
		"$(create w | cut -c5- | jq -r '[(.id|type),(.due|type)]|join(" ")')"
	fault '{"type":"html"}'
	check "html" '200 <!DOCTYPE' "$(create w | head -1 | cut -c1-13)"
	fault '{"type":"garbage"}'
	check "garbage" 200 "$(create w | cut -c1-3 | head -1)"
	fault '{"type":"empty"}'
	check "empty" '200 ' "$(create w)"
	fault '{"type":"big","bytes":1000000}'
	check "big" 999988 "$(create w | cut -c5- | jq '.value|length')"
	fault '{"type":"slow","ms":1,"chunk":10}'
	check "slow" 200 "$(create w | cut -c1-3)"
	fault '{"type":"latency","ms":30}'
	check "latency" 200 "$(create w | cut -c1-3)"
	fault '{"type":"endless"}'
	check "endless" 5000000 "$(curl -s "$S/instances" | head -c 5000000 | wc -c)"
}

# libcurl repeats a POST whose reused connection dies without an answer.
check_close_reused()
{
	fault '{"operation":"create_instance","type":"close_reused"}'
	curl -s -o /dev/null -H "$token" "$S/instances?page=1&pageSize=1" \
		--next -s -o /dev/null -H "$token" -H "$json" -d '{"name":"twice"}' \
		"$S/instances/integrator/on-demand"
	check "a repeated create is seen" 2 \
		"$(control 'counters?name=twice' '.names.twice.creates')"
	check "the ring tells why" '[[true,0],[false,200]]' \
		"$(control 'requests?operation=create_instance' '[.requests[]|[.reused,.status]]')"
}

# Wait until the ring shows a request whose answer is held.
await_held()
{
	until [ "$(control 'requests?limit=1' '[.requests[0].operation,.requests[0].status]')" = "[\"$1\",null]" ]; do :; done
}

check_withhold()
{
	local held

	fault '{"operation":"create_instance","type":"withhold","before_effect":true}'
	create held >"$work/held" &
	held=$!
	await_held create_instance
	check "others go on" 200 "$(call GET '/instances?page=1&pageSize=1' | cut -c1-3)"
	check "no effect while held" 0 "$(counter create_instance effects)"
	check "release" 1 "$(control release .released -X POST)"
	wait $held
	check "answered after the release" 200 "$(cut -c1-3 "$work/held")"
	fault '{"operation":"create_instance","type":"withhold","before_effect":true}'
	curl -s -o /dev/null -H "$token" -H "$json" -d '{"name":"gone"}' \
		"$S/instances/integrator/on-demand" &
	held=$!
	await_held create_instance
	kill $held
	wait $held 2>/dev/null
	until [ "$(control 'requests?limit=1' '.requests[0].status')" = 0 ]; do :; done
	check "dropped with its client" '{"released":0}' "$(control release . -X POST)"
	check "and without effect" 1 "$(counter create_instance effects)"
}

check_tls()
{
	local base
	local resets

	openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=sandbox \
		-addext subjectAltName=IP:127.0.0.1 -keyout "$work/key" \
		-out "$work/certificate" 2>/dev/null
	mkfifo "$work/in" "$work/tls-out"
	"$program" --tls-cert "$work/certificate" --tls-key "$work/key" \
		--exit-on-eof <"$work/in" >"$work/tls-out" 2>>"$work/err" &
	exec 3>"$work/in"
	read -r base <"$work/tls-out"
	base=${base#listening on }
	check "https" 401 "$(curl -s --cacert "$work/certificate" -o /dev/null \
		-w '%{http_code}' "$base/instances")"
	curl -s --cacert "$work/certificate" -o /dev/null "$base/_sandbox/faults" \
		-d '{"type":"reset_before"}'
	resets=$(curl -s --cacert "$work/certificate" -o /dev/null "$base/instances"
		echo $?)
	check "reset of a TLS connection" 56 "$resets"
	exec 3>&-
	wait $!
	check "end of input ends it cleanly" 0 $?
}

# Create a plan by JSON with FIELDS beside the least; the answer
plan()
{
	call POST /planos -H "$json" -d '{"name":"p","description":"d","amount":9990,
		"grace_period":"14","tolerance_period":2,"frequency":"monthly","interval":1,
		"currency":"BRL","payment_methods":"credit_card"'"${1:-}}"
}

# Subscribe to the first plan with a card NUMBER; the answer
subscribe()
{
	call POST /planos/assinar -H "$json" -d '{"planoId":4605,
		"cliente":{"nome":"A","cpf":"12345678901"},"endereco":{"cep":"1"},
		"cartao":{"titular":"A","numero":"'"$1"'","codigoSeguranca":"123","validade":"12/2099"}}'
}

# First state and number of SUBSCRIPTIONS' only row, then statuses of its invoices
subscription_state()
{
	control 'state?kind=subscriptions' '.subscriptions[0].state'
	control 'state?kind=invoices' '[.invoices[].fields.status]'
}

check_plans()
{
	check "plan" '200 {"success":true,"plano":4605}' "$(plan)"
	check "plan with cents that are none" '400 {"success":false,"erros":{"plano":["O campo amount é inválido"]}}' \
		"$(plan ',"amount":99.9')"
	check "another spelling of annualy" 400 "$(plan ',"frequency":"annually"' | cut -c1-3)"
	check "plan from a form" '200 {"success":true,"plano":4606}' \
		"$(call POST /planos -F name=f -F description=f -F amount=1 -F grace_period=0 \
			-F tolerance_period=0 -F frequency=annualy -F interval=1 -F currency=BRL \
			-F payment_methods=cartao -F logo=true -F "file=@$work/port")"
	check "its parts" '["multipart",["name",null],["file","port"],true,1]' \
		"$(control 'state?kind=plans&id=4606' '.plans[0]|[.format,(.parts[0,-1]|[.name,.filename]),.fields.logo,.fields.amount]')"
	check "broken form" 400 \
		"$(call POST /planos -H 'Content-Type: multipart/form-data; boundary=x' -d y | cut -c1-3)"
	check "list" '["d","f"]' "$(call GET /planos | cut -c5- | jq -c '[.planos[].description]')"
	check "no deletion" 405 "$(call DELETE /planos/4605 | cut -c1-3)"
	check "change" 100 \
		"$(call PUT /planos/4605 -H "$json" -d '{"amount":100}' | cut -c5- | jq .plano.amount)"
	control config . -d '{"zsystems_plan_id":"string","zsystems_plan_list":"array","list_lag_seconds":9}' >/dev/null
	check "id as text" '200 {"success":true,"plano":"4607"}' "$(plan)"
	check "bare list, late" 2 "$(call GET /planos | cut -c5- | jq length)"
	control config . -d '{"zsystems_refusals":"error_object","zsystems_refusal_status":202}' >/dev/null
	check "refusal under 202" '202 {"success":false,"error":{"message":"O campo amount é inválido"}}' \
		"$(plan ',"amount":-1')"
	check "no token" 401 "$(plain_call GET /planos | cut -c1-3)"
	check "three creates" 3 "$(counter create_plan effects)"
	check "seeds are no creates" '{"seeded":2}' \
		"$(control objects/plans . -d '{"count":2,"prefix":"s"}')"
	call POST /planos -H "$json" -d '{"name":"p"}' >/dev/null
	check "removed by hand" 404 \
		"$(control objects/plans/4605 . -X DELETE >/dev/null; call GET /planos/4605 | cut -c1-3)"
	fault '{"operation":"create_plan","type":"wrong_types"}'
	check "wrong types of a plan" object "$(plan | cut -c5- | jq -r '.plano|type')"
}

check_subscriptions()
{
	plan ',"setup_amount":50' >/dev/null
	check "subscribe" '[99.9,2,"Em teste"]' \
		"$(subscribe 4111111111111111 | cut -c5- |
			jq -c '.data|[.amount,.status_assinatura_id,.status_assinatura.titulo]')"
	check "declined under 200" '200 {"message":"51 - {\"error\":{\"code\":\"51\",\"message\":\"Saldo insuficiente\"}}","success":false}' \
		"$(subscribe 4111111111110002)"
	check "one effect" 1 "$(counter create_subscription effects)"
	check "card is covered" '***0002 ***' \
		"$(control 'requests?limit=1' '.requests[0].body' | jq -r '.cartao|.numero+" "+.codigoSeguranca')"
	check "trial" 'trial ["paid","pending"]' "$(subscription_state | tr '\n' ' ' | sed 's/ *$//')"
	control clock . -d '{"advance_seconds":1296000}' >/dev/null
	check "charged after the grace period" 'active ["paid","paid","pending"]' \
		"$(subscription_state | tr '\n' ' ' | sed 's/ *$//')"
	control config . -d '{"invoices_paid":false,"zsystems_status_numbers":"four"}' >/dev/null
	control clock . -d '{"advance_seconds":2678400}' >/dev/null
	check "past due" past_due "$(subscription_state | head -1)"
	check "its number" 4 "$(call GET /planos/assinatura/90 | cut -c5- | jq .data.status_assinatura_id)"
	control clock . -d '{"advance_seconds":172800}' >/dev/null
	check "suspended" suspended "$(subscription_state | head -1)"
	control config . -d '{"invoices_paid":true}' >/dev/null
	check "reactivate" 200 \
		"$(call POST /planos/assinatura/reativar -H "$json" -d '{"assinatura_id":90}' | cut -c1-3)"
	check "refund" 200 \
		"$(call POST /planos/assinatura/estornar -H "$json" -d '{"id":7000001}' | cut -c1-3)"
	check "refund again" '400 {"success":false,"message":"A fatura não está paga"}' \
		"$(call POST /planos/assinatura/estornar -H "$json" -d '{"id":7000001}')"
	check "cancel" 200 "$(call DELETE /planos/assinatura/90 | cut -c1-3)"
	check "cancel again" 400 "$(call DELETE /planos/assinatura/90 | cut -c1-3)"
	check "an end voids what is pending" 'cancelled ["voided","paid","paid","voided"]' \
		"$(subscription_state | tr '\n' ' ' | sed 's/ *$//')"
	check "known document" '202 20001' \
		"$(call POST /clientes -H "$json" -d '{"nome":"A","cpf":"12345678901"}' |
			sed 's/\(...\) .*"id":\([0-9]*\).*/\1 \2/')"
	check "client by document" A \
		"$(call GET /clientes/por_documento/123.456.789-01 | cut -c5- | jq -r .cliente.nome)"
	check "card" '200 {"success":true,"cartaoId":{"id":300003,"ultimos_digitos":"1111"}}' \
		"$(call POST /clientes/20001/cartoes -H "$json" \
			-d '{"titular":"A","numero":"4111111111111111","codigoSeguranca":"123","validade":"12/99"}')"
	check "short form" 200 \
		"$(call POST /planos/assinar -H "$json" \
			-d '{"planoId":4605,"clienteId":20001,"tokenCardId":300003}' | cut -c1-3)"
}

# A call of Asaas, which wants its own header
asaas()
{
	plain_call "$1" "/v3$2" -H 'access_token: $aact_hmlg_sandbox-partner-token' \
		-H "$json" "${@:3}"
}

# The same, its body through a jq filter
asaas_body()
{
	asaas "$1" "$2" "${@:4}" | cut -c5- | jq -c -r "$3"
}

# The first code of an Asaas refusal, after its status
asaas_error()
{
	asaas "$@" | sed 's/^\(...\) .*"code":"\([^"]*\)".*/\1 \2/'
}

asaas_customer()
{
	asaas_body POST /customers .id -d '{"name":"A","cpfCnpj":"249.715.637-92","email":"a@example.com",
		"mobilePhone":"47999999999","externalReference":"c-1"}'
}

# Charge CUSTOMER by TYPE until DAY, with FIELDS; its id
asaas_charge()
{
	asaas_body POST /payments .id -d '{"customer":"'"$1"'","billingType":"'"$2"'","value":98.01,
		"dueDate":"'"$3"'","externalReference":"r-1"'"${4:-}}"
}

# Statuses of all payments, or another field
asaas_payments()
{
	control 'state?kind=asaas_payments' "[.asaas_payments[].fields.${1:-status}]"
}

asaas_counts()
{
	control "state?kind=$1&event=$2" .total
}

# Wait until the inbox holds so many
inbox()
{
	for _ in $(seq 100); do
		[ "$(control inbox '.inbox|length')" -ge "$1" ] && break
		sleep 0.05
	done
	control inbox '[.inbox[].body.event]'
}

check_asaas_gate()
{
	check "no key" '401 access_token_not_found' "$(plain_call GET /v3/finance/balance |
		sed 's/^\(...\) .*"code":"\([^"]*\)".*/\1 \2/')"
	check "the other environment" '401 invalid_environment' \
		"$(plain_call GET /v3/finance/balance -H 'access_token: $aact_prod_x' |
			sed 's/^\(...\) .*"code":"\([^"]*\)".*/\1 \2/')"
	check "not a key" 1 "$(plain_call GET /v3/finance/balance -H 'access_token: x' |
		grep -c 'invalid_access_token_format')"
	check "a wrong key" 1 "$(plain_call GET /v3/finance/balance -H 'access_token: $aact_hmlg_x' |
		grep -c '"invalid_access_token"')"
	check "no agent" '400 invalid_user_agent' "$(asaas_error GET /finance/balance -H User-Agent:)"
	check "a body with GET" 403 "$(asaas GET /finance/balance -d '{}' | cut -c1-3)"
	check "balance" '200 {"balance":0}' "$(asaas GET /finance/balance)"
	check "account" APPROVED "$(asaas_body GET /myAccount/status/ .general)"
	check "unknown id" '404 ' "$(asaas GET /payments/pay_x)"
	control config . -d '{"tokens":[{"token":"sandbox-partner-token","permissions":{"PAYMENT":"READ"}}]}' >/dev/null
	check "permission" '403 insufficient_permission' "$(asaas_error GET /finance/balance)"
	check "may read" 200 "$(asaas GET /payments | cut -c1-3)"
	check "may not write" 403 "$(asaas POST /payments -d '{}' | cut -c1-3)"
	control config . -d '{"tokens":[{"token":"sandbox-partner-token","expires_at":"2026-03-01T00:00:00Z"}]}' >/dev/null
	control clock . -d '{"set":"2026-02-28T23:59:00Z"}' >/dev/null
	check "a key that will expire" 200 "$(asaas GET /finance/balance | cut -c1-3)"
	control clock . -d '{"advance_seconds":60}' >/dev/null
	check "an expired key" '401 invalid_access_token' "$(asaas_error GET /finance/balance)"
	control config . -d '{"tokens":["sandbox-partner-token"],"asaas_rate_limit":1}' >/dev/null
	asaas GET /finance/balance >/dev/null
	check "rate limit" '429 RateLimit-Reset: 60' \
		"$(curl -s -o /dev/null -D - -w '%{http_code}' -H 'access_token: $aact_hmlg_sandbox-partner-token' \
			"$S/v3/finance/balance" | tr -d '\r' | sed -n 's/.* \(429\).*/\1/p;/-Reset/p' | paste -sd' ')"
	control config . -d '{"asaas_rate_headers":false}' >/dev/null
	check "or without telling" '429' \
		"$(curl -s -o /dev/null -D - -w '%{http_code}' -H 'access_token: $aact_hmlg_sandbox-partner-token' \
			"$S/v3/finance/balance" | tr -d '\r' | sed -n 's/.* \(429\).*/\1/p;/-Reset/p' | paste -sd' ')"
	control config . -d '{"asaas_rate_limit":0,"asaas_concurrent_gets":1,"asaas_account_approved":false}' >/dev/null
	fault '{"operation":"read_balance","type":"withhold"}'
	asaas GET /finance/balance >/dev/null &
	for _ in $(seq 100); do
		[ "$(control faults '.faults[0].hits')" = 1 ] && break
		sleep 0.05
	done
	check "one GET too many on the way" 429 "$(asaas GET /payments | cut -c1-3)"
	control release . -X POST >/dev/null
	wait $!
	check "account that is not approved" PENDING "$(asaas_body GET /myAccount/status .general)"
	check "takes no cards" '400 invalid_billingType' "$(asaas_error POST /payments \
		-d '{"customer":"'"$(asaas_customer)"'","billingType":"CREDIT_CARD","value":1,"dueDate":"2099-01-01"}')"
	control clock . -d '{"advance_seconds":43200}' >/dev/null
	control config . -d '{"asaas_window_requests":2,"asaas_concurrent_gets":50}' >/dev/null
	check "window" '200 200 429' "$(for _ in 1 2 3; do asaas GET /finance/balance | cut -c1-3; done | paste -sd' ')"
	control clock . -d '{"advance_seconds":43199}' >/dev/null
	check "not over yet" 429 "$(asaas GET /finance/balance | cut -c1-3)"
	control clock . -d '{"advance_seconds":1}' >/dev/null
	check "the next one" 200 "$(asaas GET /finance/balance | cut -c1-3)"
}

check_asaas_customers()
{
	local customer
	check "bad CPF" '400 invalid_object' \
		"$(asaas_error POST /customers -d '{"name":"A","cpfCnpj":"11111111111"}')"
	check "no name" '400 invalid_name' "$(asaas_error POST /customers -d '{}')"
	customer=$(asaas_customer)
	asaas_customer >/dev/null
	check "two of one CPF" 2 "$(asaas_body GET '/customers?cpfCnpj=24971563792' .totalCount)"
	check "by reference" 2 "$(asaas_body GET '/customers?externalReference=c-1' .totalCount)"
	check "newest first" '[false,true]' "$(asaas_body GET '/customers' '[.data[].id=="'"$customer"'"]')"
	check "notifications" 8 "$(asaas_body GET "/customers/$customer/notifications" '.data|length')"
	check "delete" 'true' "$(asaas_body DELETE "/customers/$customer" .deleted)"
	check "still readable" 'true' "$(asaas_body GET "/customers/$customer" .deleted)"
	check "no charge" '400 invalid_customer' \
		"$(asaas_error POST /payments -d '{"customer":"'"$customer"'"}')"
	check "restore" 'false' "$(asaas_body POST "/customers/$customer/restore" .deleted -d '{}')"
}

check_asaas_charges()
{
	local customer pix boleto card
	control clock . -d '{"set":"2026-05-01T15:00:00Z"}' >/dev/null	# a Friday
	customer=$(asaas_customer)
	check "past due date" '400 invalid_dueDate' "$(asaas_error POST /payments \
		-d '{"customer":"'"$customer"'","billingType":"PIX","value":1,"dueDate":"2026-04-30"}')"
	check "parts of a cent" '400 invalid_value' "$(asaas_error POST /payments \
		-d '{"customer":"'"$customer"'","billingType":"PIX","value":1.005,"dueDate":"2026-05-01"}')"
	pix=$(asaas_charge "$customer" PIX 2026-05-10)
	boleto=$(asaas_charge "$customer" BOLETO 2026-05-01)
	card=$(asaas_charge "$customer" CREDIT_CARD 2026-05-10)
	check "decimals" '98.01' "$(asaas_body GET "/payments/$pix" .value)"
	check "cents" '[9801,9801,9801]' "$(asaas_payments value)"
	check "made twice" 1 "$(control counters .names_created_more_than_once)"
	check "messages of creation" 9 "$(asaas_counts asaas_messages PAYMENT_CREATED)"
	check "first page" '[true,3,2]' "$(asaas_body GET '/payments?limit=2' '[.hasMore,.totalCount,(.data|length)]')"
	check "next page" '[false,1]' "$(asaas_body GET '/payments?limit=2&offset=2' '[.hasMore,(.data|length)]')"
	check "a range" 2 "$(asaas_body GET '/payments?dueDate%5Bge%5D=2026-05-02' .totalCount)"
	check "bare brackets" 400 "$(asaas GET '/payments?dueDate[ge]=2026-05-02' -g | cut -c1-3)"
	check "digits of a boleto" '[47,44]' "$(asaas_body GET "/payments/$boleto/identificationField" \
		'[(.identificationField,.barCode)|length]')"
	check "no boleto of a Pix" '400 invalid_action' "$(asaas_error GET "/payments/$pix/identificationField")"
	check "Pix code" 000201 "$(asaas_body GET "/payments/$pix/pixQrCode" '.payload[:6]')"
	control "charges/$pix" . -d '{"do":"pay"}' >/dev/null
	control "charges/$boleto" . -d '{"do":"pay"}' >/dev/null
	control "charges/$card" . -d '{"do":"pay"}' >/dev/null
	check "Pix is received at once" '["RECEIVED","PENDING","CONFIRMED"]' "$(asaas_payments)"
	control clock . -d '{"advance_seconds":86400}' >/dev/null
	check "overdue before the bank tells" '["RECEIVED","OVERDUE","CONFIRMED"]' "$(asaas_payments)"
	control clock . -d '{"advance_seconds":172800}' >/dev/null
	check "credited on a working day" '["RECEIVED","RECEIVED","CONFIRMED"]' "$(asaas_payments)"
	check "paid on one day, booked on another" '["2026-05-01","2026-05-04"]' \
		"$(asaas_body GET "/payments/$boleto" '[.clientPaymentDate,.paymentDate]')"
	control clock . -d '{"advance_seconds":2592000}' >/dev/null
	check "card after 32 days" '["RECEIVED","RECEIVED","RECEIVED"]' "$(asaas_payments)"
	check "balance" 288.06 "$(asaas_body GET /finance/balance .balance)"
	check "part of it back" RECEIVED "$(asaas_body POST "/payments/$pix/refund" .status -d '{"value":8.01}')"
	check "too much" '400 invalid_value' "$(asaas_error POST "/payments/$pix/refund" -d '{"value":90.01}')"
	check "the rest" REFUNDED "$(asaas_body POST "/payments/$pix/refund" .status -d '{}')"
	check "not deleted when paid" '400 invalid_action' "$(asaas_error DELETE "/payments/$card")"
	control "charges/$card" . -d '{"do":"chargeback"}' >/dev/null
	check "chargeback" CHARGEBACK_REQUESTED "$(asaas_body GET "/payments/$card/status" .status)"
	pix=$(asaas_charge "$customer" PIX 2026-06-10)
	check "deleted" true "$(asaas_body DELETE "/payments/$pix" .deleted)"
	check "restored" '[false,"PENDING"]' "$(asaas_body POST "/payments/$pix/restore" '[.deleted,.status]')"
	check "cash" RECEIVED_IN_CASH "$(asaas_body POST "/payments/$pix/receiveInCash" .status \
		-d '{"paymentDate":"2026-06-01","value":98.01}')"
	check "undone" PENDING "$(asaas_body POST "/payments/$pix/undoReceivedInCash" .status)"
	check "changed" '[10.5,"2026-06-20"]' "$(asaas_body PUT "/payments/$pix" '[.value,.dueDate]' \
		-d '{"value":10.5,"dueDate":"2026-06-20"}')"
	check "listed late" 4 "$(control config . -d '{"list_lag_seconds":60}' >/dev/null
		asaas_charge "$customer" PIX 2026-06-10 >/dev/null; asaas_body GET /payments .totalCount)"
	control config . -d '{"asaas_daily_charges":1}' >/dev/null
	check "one a day" '400 invalid_action true' "$(asaas_error POST /payments \
		-d '{"customer":"'"$customer"'","billingType":"PIX","value":1,"dueDate":"2099-01-01"}') $(
		asaas_body GET /payments/limits .creation.daily.wasReached)"
	control clock . -d '{"advance_seconds":86400}' >/dev/null
	check "and one the next day" 200 "$(asaas POST /payments \
		-d '{"customer":"'"$customer"'","billingType":"PIX","value":1,"dueDate":"2099-01-01"}' | cut -c1-3)"
	check "limits" 3 "$(control clock . -d '{"advance_seconds":1}' >/dev/null
		asaas_body GET /payments/limits '.creation.daily|length')"
}

# Let a payer, a bank or Asaas do something to CHARGE: DEED [FIELDS]
deed()
{
	control "charges/$1" .fields.status -d '{"do":"'"$2"'"'"${3:-}}"
}

check_asaas_disputes()
{
	local customer card boleto pix
	control clock . -d '{"set":"2026-05-01T15:00:00Z"}' >/dev/null	# a Friday
	customer=$(asaas_customer)
	card=$(asaas_charge "$customer" CREDIT_CARD 2026-05-10)
	check "looked at" AWAITING_RISK_ANALYSIS "$(deed "$card" analyse)"
	check "found good" CONFIRMED "$(deed "$card" approve)"
	check "disputed" CHARGEBACK_REQUESTED "$(deed "$card" chargeback)"
	control clock . -d '{"advance_seconds":3456000}' >/dev/null
	check "nothing comes meanwhile" 'CHARGEBACK_REQUESTED 0' \
		"$(asaas_body GET "/payments/$card/status" .status) $(asaas_body GET /finance/balance .balance)"
	deed "$card" chargeback_reversed >/dev/null
	check "the money comes when it is over" 'RECEIVED 96.02' \
		"$(asaas_body GET "/payments/$card/status" .status) $(asaas_body GET /finance/balance .balance)"
	check "lost" 'REFUNDED' "$(deed "$card" chargeback >/dev/null; deed "$card" chargeback_lost)"
	check "all is taken back" -1.99 "$(asaas_body GET /finance/balance .balance)"
	control clock . -d '{"set":"2026-06-12T15:00:00Z"}' >/dev/null	# a Friday
	pix=$(asaas_charge "$customer" UNDEFINED 2026-06-15)
	check "paid late, with interest" RECEIVED \
		"$(deed "$pix" pay ',"method":"PIX","value_cents":10000')"
	check "both values are told" '[100,98.01,1.99]' \
		"$(asaas_body GET "/payments/$pix" '[.value,.originalValue,.interestValue]')"
	check "a refund is asked for" REFUND_REQUESTED "$(deed "$pix" request_refund)"
	check "and denied" RECEIVED "$(deed "$pix" deny_refund)"
	boleto=$(asaas_charge "$customer" BOLETO 2026-06-15)
	deed "$boleto" pay >/dev/null
	check "cash while the slip is on its way" RECEIVED_IN_CASH \
		"$(asaas_body POST "/payments/$boleto/receiveInCash" .status -d '{"paymentDate":"2026-06-12","value":98.01}')"
	control clock . -d '{"set":"2026-06-16T15:00:00Z"}' >/dev/null
	check "stays cash" RECEIVED_IN_CASH "$(asaas_body GET "/payments/$boleto/status" .status)"
	asaas POST "/payments/$boleto/undoReceivedInCash" >/dev/null
	check "undone, the slip counts" RECEIVED "$(asaas_body GET "/payments/$boleto/status" .status)"
	boleto=$(asaas_charge "$customer" BOLETO 2026-06-16)
	control clock . -d '{"advance_seconds":86400}' >/dev/null
	check "for collection" DUNNING_REQUESTED "$(deed "$boleto" request_dunning)"
	check "recovered" DUNNING_RECEIVED "$(deed "$boleto" recover)"
	check "on a day" 2026-06-17 "$(asaas_body GET "/payments/$boleto" .paymentDate)"
	check "looked at by the payer" 1 "$(deed "$boleto" view >/dev/null
		asaas_body GET "/payments/$boleto/viewingInfo" .invoiceViewedDate | grep -c ^2026-06-17)"
	check "what happened to one" '["PAYMENT_CREATED","PAYMENT_RECEIVED","PAYMENT_REFUND_DENIED"]' \
		"$(control "state?kind=asaas_events&payment=$pix" '[.asaas_events[].fields.event]')"
}

check_asaas_recurrences()
{
	local customer id
	control clock . -d '{"set":"2026-01-05T15:00:00Z"}' >/dev/null
	customer=$(asaas_customer)
	id=$(asaas_body POST /subscriptions .id -d '{"customer":"'"$customer"'","billingType":"PIX",
		"value":50,"nextDueDate":"2026-01-31","cycle":"MONTHLY","externalReference":"s-1"}')
	check "first charge at once" '["2026-01-31"]' "$(asaas_payments dueDate)"
	check "one cycle ahead" 2026-02-28 "$(asaas_body GET "/subscriptions/$id" .nextDueDate)"
	check "no creation message" 0 "$(asaas_counts asaas_messages PAYMENT_CREATED)"
	control clock . -d '{"set":"2026-01-19T15:00:00Z"}' >/dev/null
	check "40 days before" '["2026-01-31","2026-02-28"]' "$(asaas_payments dueDate)"
	check "not on the wrong day" 2026-03-31 "$(asaas_body GET "/subscriptions/$id" .nextDueDate)"
	check "its charges" 2 "$(asaas_body GET "/subscriptions/$id/payments?limit=100" .totalCount)"
	control clock . -d '{"set":"2026-02-09T15:00:00Z"}' >/dev/null
	check "warned and reminded" '[6,6]' \
		"[$(asaas_counts asaas_messages PAYMENT_DUEDATE_WARNING),$(asaas_counts asaas_messages PAYMENT_OVERDUE)]"
	check "no daily cycle" '400 invalid_cycle' "$(asaas_error PUT "/subscriptions/$id" -d '{"cycle":"DAILY"}')"
	check "deleted" true "$(asaas_body DELETE "/subscriptions/$id" .deleted)"
	check "with its open charges" '[true,true]' "$(asaas_payments deleted)"
	check "gone from the list" '0 1' "$(asaas_body GET /subscriptions .totalCount) $(
		asaas_body GET '/subscriptions?includeDeleted=true' .totalCount)"
}

check_asaas_webhooks()
{
	local customer id charge
	id=$(asaas_body POST /webhooks .id -d '{"name":"w","url":"'"$S"'/_sandbox/inbox","email":"a@example.com",
		"enabled":true,"interrupted":false,"apiVersion":3,"authToken":"secret","sendType":"SEQUENTIALLY",
		"events":["PAYMENT_CREATED","PAYMENT_RECEIVED","PAYMENT_DELETED"]}')
	check "token is not shown" '[true,null]' "$(asaas_body GET "/webhooks/$id" '[.hasAuthToken,.authToken]')"
	check "nor kept" 0 "$(control 'requests?operation=create_webhook' '.requests[0].body' | grep -c secret)"
	customer=$(asaas_customer)
	charge=$(asaas_charge "$customer" PIX 2099-01-01)
	check "delivered" '["PAYMENT_CREATED"]' "$(inbox 1)"
	check "with its token" 'secret Asaas_Hmlg/3.0' \
		"$(control inbox '.inbox[0].headers|.["asaas-access-token"]+" "+.["user-agent"]')"
	control config . -d '{"inbox_status":202}' >/dev/null
	control "charges/$charge" . -d '{"do":"pay"}' >/dev/null
	asaas_charge "$customer" PIX 2099-01-01 >/dev/null
	check "anything but 200 fails" '["PAYMENT_CREATED","PAYMENT_RECEIVED"]' "$(inbox 2)"
	for seconds in 30 60 210 300 900 1500 3600 3600 3600 3600 3600 7200 7200 10800; do
		expected=$(($(control inbox '.inbox|length') + 1))
		control clock . -d "{\"advance_seconds\":$seconds}" >/dev/null
		inbox $expected >/dev/null
	done
	for _ in $(seq 100); do
		[ "$(asaas_body GET "/webhooks/$id" .interrupted)" = true ] && break
		sleep 0.05
	done
	check "interrupted after 15 attempts" '[true,15]' \
		"$(asaas_body GET "/webhooks/$id" '[.interrupted,.penalizedRequestsCount]')"
	check "the other one was held up" 2 \
		"$(control 'state?kind=asaas_webhooks' '.asaas_webhooks[0].queued')"
	control config . -d '{"inbox_status":200}' >/dev/null
	control inbox . -X DELETE >/dev/null
	asaas PUT "/webhooks/$id" -d '{"interrupted":false}' >/dev/null
	check "resumed in order" '["PAYMENT_RECEIVED","PAYMENT_CREATED"]' "$(inbox 2)"
	control events . -d '{"hold":true}' >/dev/null
	charge=$(asaas_charge "$customer" PIX 2099-01-01)
	asaas DELETE "/payments/$charge" >/dev/null
	control inbox . -X DELETE >/dev/null
	control events . -d '{"release":"reversed","copies":2}' >/dev/null
	check "reversed and doubled" \
		'["PAYMENT_DELETED","PAYMENT_CREATED","PAYMENT_DELETED","PAYMENT_CREATED"]' "$(inbox 4)"
	check "under the same ids" 2 "$(control inbox '[.inbox[].body.id]|unique|length')"
	control inbox . -X DELETE >/dev/null
	control events . -d '{"hold":true}' >/dev/null
	charge=$(asaas_charge "$customer" PIX 2099-01-01)
	control events . -d '{"discard":true}' >/dev/null
	control events . -d '{"tell":"PAYMENT_RECEIVED","payment":"'"$charge"'"}' >/dev/null
	control events . -d '{"release":"in_order"}' >/dev/null
	check "one lost, one invented" '["PAYMENT_RECEIVED"]' "$(inbox 1)"
	check "as it was sent" "$charge" "$(control inbox '.inbox[0].raw|fromjson.payment.id')"
	check "a seeded webhook" 201 "$(plain_call POST /_sandbox/objects/asaas_webhooks \
		-d '{"url":"'"$S"'/_sandbox/inbox","events":["PAYMENT_OVERDUE"]}' | cut -c1-3)"
	asaas PUT "/webhooks/$id" -d '{"url":"http://127.0.0.1:1/"}' >/dev/null
	asaas_charge "$customer" PIX 2099-01-01 >/dev/null
	for _ in $(seq 100); do
		[ "$(asaas_body GET "/webhooks/$id" .penalizedRequestsCount)" = 1 ] && break
		sleep 0.05
	done
	check "nobody there" 0 "$(control 'state?kind=asaas_events' '.asaas_events[-1].attempts[0].status')"
	control clock . -d '{"advance_seconds":1296000}' >/dev/null
	check "not kept for ever" 0 "$(control 'state?kind=asaas_webhooks' '.asaas_webhooks[0].queued')"
}

for group in create_and_list life instance_calls greenapi_partner \
	greenapi_config greenapi_instance config faults close_reused withhold \
	plans subscriptions asaas_gate asaas_customers asaas_charges asaas_disputes \
	asaas_recurrences asaas_webhooks tls; do
	"check_$group"
	reset
done

kill -TERM "$server"
wait "$server"
check "SIGTERM ends it cleanly" 0 $?
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]

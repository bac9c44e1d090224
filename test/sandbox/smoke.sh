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

for group in create_and_list life instance_calls greenapi_partner \
	greenapi_config greenapi_instance config faults close_reused withhold \
	plans subscriptions tls; do
	"check_$group"
	reset
done

kill -TERM "$server"
wait "$server"
check "SIGTERM ends it cleanly" 0 $?
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]

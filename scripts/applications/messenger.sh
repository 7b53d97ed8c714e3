# shellcheck shell=bash
# The recipe of Symfony's Messenger: pages send messages, a background worker consumes them by `messenger:consume`, and ends in
# order when the server stops or reloads. Sourced by scripts/applications.sh.

application_messenger() {
    local base stopped
    mkdir -p -- "$SITE"
    cp -R -- "$ROOT/examples/recipes/messenger/." "$SITE/"
    sed -i '1i {\n\tadmin off\n}' "$SITE/Caddyfile"
    sed -i "s/'--time-limit=3600'/'--limit=5'/" "$SITE/bin/consume"
    : >"$SITE/messages.db.txt"
    # Creates the table as `messenger:setup-transports` does: otherwise two workers that start at once both create it, and
    # one fails.
    MESSENGER_DATABASE=$SITE/messages.db "$IGOR" php-cli -r "require '$SITE/src/messages.php'; message_transport()->setup();" \
        >"$SITE/setup.log" 2>&1 || fail "$APPLICATION: its table is not made; see $SITE/setup.log"
    (cd -- "$SITE" && PORT=0 MESSENGER_DATABASE=$SITE/messages.db exec "$IGOR" run --config Caddyfile) >"$SITE/igor.log" 2>&1 &
    SERVER=$!
    until_true 'igor' grep --quiet 'listening .*address=' "$SITE/igor.log"
    base=http://localhost:$(sed -n 's/.*listening.*address=[^ ]*:\([0-9]*\) .*/\1/p' "$SITE/igor.log" | head -n 1)
    messenger_sends "$base"
    messenger_reloads "$base"

    curl --silent --fail "$base/?text=last&milliseconds=1500" >/dev/null
    until_true 'the last message to be taken' grep --quiet 'taken: last' "$SITE/messages.db.txt"
    stopped=$SECONDS
    stop_igor
    ((SECONDS - stopped < 5)) || fail "$APPLICATION: the stop took the whole grace period"
    grep --quiet '^last$' "$SITE/messages.db.txt" || fail "$APPLICATION: the message in work was lost"
    grep --quiet 'background worker stopped .*exit_status=0' "$SITE/igor.log" || fail "$APPLICATION: its run did not end by itself"
    passed 'a stop lets the consumer finish its message, and its run ends with status 0'
}

# messenger_handled COUNT: so many messages were handled.
messenger_handled() { [[ $(grep --count --invert-match taken "$SITE/messages.db.txt") -ge $1 ]]; }

messenger_sends() {
    local number
    for number in {1..12}; do
        curl --silent --fail "$1/?text=message-$number" | has "page $number sends" sent
    done
    until_true 'twelve messages' messenger_handled 12
    [[ $(grep '^message-' "$SITE/messages.db.txt" | sort -u | wc -l) -eq 12 ]] || fail "$APPLICATION: a message is missing"
    passed 'each message is handled once'
    until_true 'the third run' grep --quiet 'background worker started .*run=3' "$SITE/igor.log"
    grep --quiet 'background worker ended, restarting it .*exit_status=0' "$SITE/igor.log" || fail "$APPLICATION: no clean exit"
    passed 'a run that reaches its limit is followed by the next, and counts as no failure'
}

messenger_reloads() {
    curl --silent --fail "$1/?text=during-reload&milliseconds=1500" >/dev/null
    until_true 'the message to be taken' grep --quiet 'taken: during-reload' "$SITE/messages.db.txt"
    sed -i 's/num 1/num 2/' "$SITE/Caddyfile"
    kill -s HUP "$SERVER"
    until_true 'the reload' grep --quiet 'reloaded' "$SITE/igor.log"
    until_true 'the message of before' grep --quiet '^during-reload$' "$SITE/messages.db.txt"
    passed 'a reload with another number of workers loses no message'
}

# shellcheck shell=bash
# The recipe of Symfony's Messenger without a database: messages are tasks for the worker that runs `messenger:consume`. Sourced by
# scripts/applications.sh.

# shellcheck source=scripts/applications/messenger.sh
source "$ROOT/scripts/applications/messenger.sh"

application_messenger_tasks() {
    local base stopped
    cp -R -- "$ROOT/examples/recipes/messenger/." "$SITE/"
    sed -e '0,/{/s//{\n\tadmin off/' -e 's|igor://messenger|igor://messenger?redeliver_after=2|' "$SITE/tasks.Caddyfile" >"$SITE/Caddyfile"
    sed -i "s/'--time-limit=3600'/'--limit=5'/" "$SITE/bin/consume"
    : >"$SITE/messages.db.txt"
    messenger_tasks_served
    messenger_sends "$base"
    messenger_waits "$base"
    messenger_fails "$base"
    messenger_reloads "$base"

    curl --silent --fail "$base/?text=last&milliseconds=1500" >/dev/null
    until_true 'the last message to be taken' grep --quiet 'taken: last' "$SITE/messages.db.txt"
    stopped=$SECONDS
    stop_igor
    ((SECONDS - stopped < 5)) || fail "$APPLICATION: the stop took the whole grace period"
    grep --quiet '^last$' "$SITE/messages.db.txt" || fail "$APPLICATION: the message in work was lost"
    passed 'a stop lets the consumer finish its message'
    messenger_dies
}

# messenger_tasks_served: starts the server. Sets $base.
messenger_tasks_served() {
    rm -f -- "$SITE/igor.log"
    (cd -- "$SITE" && PORT=0 MESSENGER_DATABASE=$SITE/messages.db exec "$IGOR" run --config Caddyfile) >"$SITE/igor.log" 2>&1 &
    SERVER=$!
    until_true 'igor' grep --quiet 'listening .*address=' "$SITE/igor.log"
    base=http://localhost:$(sed -n 's/.*listening.*address=[^ ]*:\([0-9]*\) .*/\1/p' "$SITE/igor.log" | head -n 1)
}

# messenger_fails BASE: the framework sends a message that failed again, after a delay.
messenger_fails() {
    curl --silent --fail "$1/?text=unlucky&throws=2" >/dev/null
    until_true 'the third attempt' grep --quiet '^unlucky$' "$SITE/messages.db.txt"
    [[ $(grep --count '^taken: unlucky$' "$SITE/messages.db.txt") -eq 3 ]] || fail "$APPLICATION: not three attempts"
    passed 'a message that fails is tried again, and handled the third time'
}

# messenger_waits BASE: no page waits for a consumer that works on a long message.
messenger_waits() {
    local number
    curl --silent --fail "$1/?text=long&milliseconds=8000" >/dev/null
    until_true 'the long message to be taken' grep --quiet 'taken: long' "$SITE/messages.db.txt"
    for number in {1..3}; do
        curl --silent --fail "$1/?text=behind-$number" >/dev/null
    done
    ! grep --quiet '^long$' "$SITE/messages.db.txt" || fail "$APPLICATION: the pages have waited for the consumer"
    for number in {1..3}; do
        until_true 'a message behind it' grep --quiet "^behind-$number$" "$SITE/messages.db.txt"
    done
    passed 'messages wait in the store while the consumer is busy, and pages do not'
}

# messenger_dies: a run that dies loses no message.
messenger_dies() {
    sed -i 's/num 2/num 1/' "$SITE/Caddyfile"
    messenger_tasks_served
    curl --silent --fail "$base/?text=deadly&dies=1" >/dev/null
    until_true 'the second delivery' grep --quiet '^deadly$' "$SITE/messages.db.txt"
    kill -s TERM "$SERVER"
    wait "$SERVER" || fail "$APPLICATION: igor ended with status $?"
    SERVER=''
    [[ $(grep --count '^taken: deadly$' "$SITE/messages.db.txt") -eq 2 ]] || fail "$APPLICATION: not two deliveries"
    passed 'a message of a consumer that died is delivered again'
}

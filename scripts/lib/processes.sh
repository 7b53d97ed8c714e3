# shellcheck shell=bash
# Servers that a script starts: finds ports for them, and ends them. The script appends each process id to PROCESSES.
declare -a PROCESSES=()

say() { printf '%s\n' "$*"; }

stop_all() {
    local process
    for process in "${PROCESSES[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
}
trap stop_all EXIT

# free_port: a port of the loopback interface that nothing listens on, below those that the system takes for connections. Each
# call has a subshell of its own, whose number makes the port another one than those of the calls before.
free_port() {
    local port number=$BASHPID
    while :; do
        port=$((20000 + number % 12000))
        number=$((number + 6007))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return
        fi
    done
}

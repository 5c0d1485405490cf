# Runs in the guest, on the virtio port that the host opens as two FIFOs.
# Requests, one line each:   ping ID
#                            run ID SCRIPT-BYTES STDIN-BYTES   (followed by both)
#                            cancel ID
# Answers:                   @pong ID
#                            @done ID EXIT-CODE STDOUT-BYTES STDERR-BYTES   (followed by both)
# One command at a time: the host holds a lock. A command that is still running
# when a new one comes belongs to a host process that died.
set -u
work=/run/ashlar-vm-exec
mkdir -p -m 0700 "$work"
cd /
export HOME=/root USER=root LOGNAME=root LANG=C.UTF-8 TERM=dumb
# Of this shell alone, which counts bytes, not letters. An emulated node pays for each
# process as much as for the command that is asked for, so there are few of them.
LC_ALL=C
exec 3<>/dev/virtio-ports/ashlar.exec 4>&3
reporter=
stop() {
    [[ -s $work/pid ]] && kill -KILL -- "-$(<"$work/pid")" 2>/dev/null
    return 0
}
while read -r -u 3 verb id script_bytes stdin_bytes; do
    case $verb in
    ping) printf '\n@pong %s\n' "$id" >&4 ;;
    cancel) stop ;;
    run)
        stop
        [[ -n $reporter ]] && wait "$reporter"
        : >"$work/pid"
        IFS= read -r -t 60 -N "$script_bytes" -u 3 script
        printf '%s' "$script" >"$work/script"
        : >"$work/stdin"
        ((stdin_bytes == 0)) || timeout 60 head -c "$stdin_bytes" <&3 >"$work/stdin"
        {
            setsid /bin/bash -l "$work/script" <"$work/stdin" >"$work/out" 2>"$work/err" 3>&- 4>&- &
            echo $! >"$work/pid"
            wait $!
            code=$?
            : >"$work/pid"
            { read -r out && read -r err; } < <(stat -c %s "$work/out" "$work/err")
            printf '\n@done %s %d %d %d\n' "$id" "$code" "$out" "$err"
            cat "$work/out" "$work/err"
        } >&4 2>/dev/null &
        reporter=$!
        ;;
    esac
done

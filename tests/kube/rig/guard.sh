# Runs a program for as long as somebody holds the other end of this script's standard input; so it ends with its
# owner, however the owner ends. A line `kill` kills it at once, as a fault.
#
# What has not ended three seconds after it was asked to is killed: its data goes with it anyway, and an API server whose
# etcd is gone waits much longer.
#
# usage: sh guard.sh FOLDER PROGRAM ARGUMENT…: FOLDER is removed at the end, if it is not empty (the word).
folder=$1
shift
"$@" </dev/null &
pid=$!
while read -r word; do
  [ "$word" = kill ] && kill -KILL "$pid" 2>/dev/null
done
kill -TERM "$pid" 2>/dev/null
tries=0
while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 30 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
kill -KILL "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
[ -z "$folder" ] || rm -rf "$folder"

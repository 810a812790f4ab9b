# Ends the nodes of one Kafka and deletes its folder as soon as standard input is closed, which happens however the
# process at its other end came to its end. Each line of the input is the process id of a node.
folder=$1
pids=
while read -r pid; do pids="$pids $pid"; done
for pid in $pids; do
  # By now the number may be somebody else's. Our nodes' command lines name our folder.
  { cat "/proc/$pid/cmdline" || ps -o args= -p "$pid"; } 2>/dev/null | grep -qF -- "$folder" && kill -9 "$pid"
done
tries=0
until rm -rf -- "$folder" 2>/dev/null || [ $tries -ge 50 ]; do # a dying node may still be writing
  tries=$((tries + 1))
  sleep 0.1
done

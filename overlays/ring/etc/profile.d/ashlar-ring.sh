# The serf command asks the agent with this key, and nothing else has to know it;
# only root can read it.
serf() {
    SERF_RPC_AUTH=$(cat /run/ashlar/serf-rpc-auth 2>/dev/null) command serf "$@"
}

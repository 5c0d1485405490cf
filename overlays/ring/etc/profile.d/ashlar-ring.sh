# The serf command asks the agent with this key; only root can read it.
if [ -r /run/ashlar/serf-rpc-auth ]; then
    SERF_RPC_AUTH=$(cat /run/ashlar/serf-rpc-auth)
    export SERF_RPC_AUTH
fi

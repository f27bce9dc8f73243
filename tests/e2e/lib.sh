# Sourced by `run` and the checks.
. "$(dirname "${BASH_SOURCE[0]}")/../packaging/lib.sh"
# A node may have to start containers while it does a hundred other things.
WITHIN=180
release=directconnect-operator
home=directconnect-operator-e2e
aws=directconnect-operator-e2e-aws
region=eu-central-1
# shellcheck disable=SC2034  # for the checks
lease=15
poll=2 soak=4
mine=(--namespace "$home" --selector "app.kubernetes.io/instance=$release")

# measured NAME COMMAND...: a check that tells its figures too, those that the command gives to `figure`
figures=$(mktemp)
trap 'rm -f "$figures"' EXIT
figure() { echo "$*" >>"$figures"; }
measured() {
  : >"$figures"
  check "$@"
  [ "$status" -ne 0 ] || sed 's/^/      /' "$figures"
}

# The image's name as values of the chart.
image_values() {
  case $OPERATOR_IMAGE in
    *@*) printf 'image.repository=%s,image.digest=%s' "${OPERATOR_IMAGE%@*}" "${OPERATOR_IMAGE#*@}" ;;
    *) printf 'image.repository=%s,image.tag=%s' "${OPERATOR_IMAGE%:*}" "${OPERATOR_IMAGE##*:}" ;;
  esac
}

# What the operator is installed and upgraded with.
helm_values() {
  local address
  address=$(kubectl get service simulator --namespace "$aws" -o jsonpath='{.spec.clusterIP}')
  cat <<YAML
replicaCount: 2
aws: {region: $region}
extraArgs: [--poll-interval=${poll}s, --encryption-soak=${soak}s]
extraEnv:
- {name: AWS_ENDPOINT_URL_DIRECT_CONNECT, value: "http://$address:4566"}
# The log of calls has the access key, and so tells which Pod called.
- {name: AWS_ACCESS_KEY_ID, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: AWS_SECRET_ACCESS_KEY, value: any}
YAML
}

# The simulator's control API, through the API server: sim PATH [BODY]
sim() {
  local path=/api/v1/namespaces/$aws/services/simulator:4566/proxy/_sim/$1
  if [ $# -eq 1 ]; then kubectl get --raw "$path"; else kubectl create --raw "$path" --filename - <<<"$2"; fi
}

# Any JSON by a Go template, which kubectl has: picked TEMPLATE <JSON. The JSON is `.said`.
picked() {
  { printf '{"apiVersion":"v1","kind":"Said","metadata":{"name":"it"},"said":'; cat; printf '}'; } |
    kubectl patch --local --type merge --patch '{}' --filename - -o go-template="$1"
}

# The log of calls, a line each: begin and end in milliseconds, Pod, operation, connection, name, mode, result.
calls() {
  sim calls | picked '{{range .said.calls}}{{.time.millis}} {{with .finished}}{{.millis}}{{else}}-{{end}} {{.accessKeyId}} {{.operation}}
    {{- with or .parameters .}} {{or .connectionId "-"}} {{or .connectionName "-"}} {{or .encryptionMode "-"}}{{end}} {{.outcome.result}}{{"\n"}}{{end}}'
}
updates() { calls | awk '$4 == "UpdateConnection" { print $5, $6, $7, $8 }'; }
polls() { calls | awk '$4 == "DescribeConnections" && $5 == "-" && $8 == "ok"'; }

# The Pod that holds the Lease; nothing while nobody does.
leader() { kubectl get lease "$release" --namespace "$home" -o jsonpath='{.spec.holderIdentity}' | sed 's/_[^_]*$//'; }
pods() { kubectl get pods "${mine[@]}" -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}'; }
# Both of them, for a loop: one over none would find nothing wrong.
both_pods() {
  local found
  found=$(pods)
  [ "$(wc -l <<<"$found")" -eq 2 ] || { echo "there should be two Pods, but there are: ${found:-none}" >&2; return 1; }
  echo "$found"
}

# pod PATH NAME: what a Pod answers
pod() { kubectl get --raw "/api/v1/namespaces/$home/pods/$2:8080/proxy/$1"; }

# connection NAME: adds one that is available, in the clear and without a key, and prints its id
connection() {
  local id
  id=dxcon-$(printf '%s' "$1" | tr -cd 'a-z0-9')e2e00000
  sim "connections/$region" "{\"connectionId\":\"$id\",\"connectionName\":\"old-$1\",\"encryptionMode\":\"no_encrypt\"}" >/dev/null
  echo "$id"
}

# wish NAME ID FIELDS: applies a resource, and prints its generation
wish() {
  kubectl apply --server-side --namespace "$home" --filename - -o jsonpath='{.metadata.generation}' <<YAML
apiVersion: directconnect-operator.dev/v1alpha1
kind: DirectConnectConnection
metadata: {name: $1}
spec: {connectionId: $2, $3}
YAML
}

# met NAME GENERATION: waits until a wish is met, and kubectl says Ready too
met() {
  kubectl wait --namespace "$home" --timeout "${WITHIN}s" --for "jsonpath={.status.metGeneration}=$2" "dxcon/$1"
  kubectl wait --namespace "$home" --timeout "${WITHIN}s" --for condition=Ready "dxcon/$1"
}

both_ready() {
  kubectl wait --timeout 5s --for condition=Ready pods "${mine[@]}"
  [ "$(pods | wc -l)" -eq 2 ] || { pods; return 1; }
}

# Every Pod calls AWS in one stretch: once another has called, the one before never does again.
one_at_a_time() {
  awk '$3 != now { if (now != "") past[now] = 1; now = $3; if (now in past) { print "called again after another had: " $0; bad = 1 } } END { exit bad || NR == 0 }'
}

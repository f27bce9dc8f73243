# Sourced after lib.sh by what types the commands that users type: a registry and the files of releases on loopback, at the public
# addresses. It needs a folder $tmp.
#
# shellcheck disable=SC2034,SC2154  # what sources this uses what is set here, and has set $chart and $tmp
#
# No address is replaced: `published COMMAND...` runs as it stands, with HTTPS_PROXY at tests/registry, which answers for the two
# public hosts, and SSL_CERT_FILE at its certificate. All else is passed on.
names=$(release/names)
name() { sed -n "s/^$1=//p" <<<"$names"; }
repository=$(name repository)
registry=$(name registry)
version=$(release/version)
# The folder that is served as that of the files of a release: files VERSION
files() { echo "$tmp/public/${repository#https://*/}/releases/download/v$1"; }

publish_here() {
  local program host=${repository#https://}
  program=$(tool tests/registry .)
  mkdir -p "$tmp/public"
  # It ends when this shell does, which closes the other end.
  exec {until_closed}> >(exec "$program" "$(name host)" "${host%%/*}" "$tmp/public" "$tmp/certificate" >"$tmp/proxy" 2>"$tmp/registry.log")
  eventually test -s "$tmp/proxy"
}
published() {
  HTTPS_PROXY=$(cat "$tmp/proxy") SSL_CERT_FILE=$tmp/certificate CURL_CA_BUNDLE=$tmp/certificate "$@"
}

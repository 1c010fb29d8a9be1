#!/usr/bin/env bash
# Checks all Terraform here: format, `terraform validate` of every example and every system, READMEs that know all inputs and
# outputs, and the security rules of checkov (if it is installed: pip install checkov). Needs no account and no endpoint.
#
# usage: terraform/check.sh [--no-checkov]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1
export TF_PLUGIN_CACHE_DIR=${TF_PLUGIN_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/neargate/terraform-plugins}
mkdir -p "$TF_PLUGIN_CACHE_DIR"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

failed=0
fail() {
  echo "terraform/check.sh: $*" >&2
  failed=1
}

terraform fmt -check -recursive -diff terraform systems || fail "not formatted; run: terraform fmt -recursive terraform systems"

for module in terraform/modules/*/; do
  for kind in variable output; do
    while read -r name; do
      grep -q "^| \`$name\` |" "$module/README.md" || fail "$module/README.md does not name the $kind $name"
    done < <(sed -n "s/^$kind \"\([^\"]*\)\".*/\1/p" "$module"/*.tf)
  done
done

# All examples and systems as modules of one configuration: one start of the provider instead of dozens. What an example
# asks for is unknown. A copy, so that nothing is written into the tree.
cp -R terraform systems "$WORK"
mkdir "$WORK/all"
count=0
{
  echo 'variable "unknown" {'
  echo '  type = any'
  echo '}'
  for folder in terraform/modules/*/examples/*/ systems/*/terraform/; do
    count=$((count + 1))
    echo "module \"${folder//[^a-z0-9]/_}\" {"
    echo "  source = \"../${folder%/}\""
    if [[ $folder == */examples/* ]]; then
      sed -n 's/^variable "\([^"]*\)".*/  \1 = var.unknown/p' "$folder"/*.tf
    fi
    echo "}"
  done
} >"$WORK/all/main.tf"
if ! (cd "$WORK/all" && terraform init -backend=false -input=false -no-color >init.log 2>&1); then
  cat "$WORK/all/init.log" >&2
  fail "terraform init failed"
elif (cd "$WORK/all" && terraform validate -no-color >validate.log 2>&1); then
  grep -A10 Warning "$WORK/all/validate.log" >&2 || echo "terraform: $count configurations are formatted and valid"
else
  cat "$WORK/all/validate.log" >&2
  failed=1
fi

if [[ ${1:-} != --no-checkov ]]; then
  if command -v checkov >/dev/null; then
    checkov --config-file terraform/checkov.yaml -d terraform/modules || failed=1
  else
    echo "terraform/check.sh: checkov is not installed (pip install checkov); its rules were not checked" >&2
  fi
fi
exit "$failed"

# SPDX-License-Identifier: Apache-2.0
# Deletes what the nodes of a cluster left in a VPC (VPC_ID): network interfaces that belong to no machine any more. Where the VPC is
# not the cluster's own, OWNER is the filter by a tag that only the cluster's interfaces have.
set -eu
if ! command -v aws >/dev/null; then
  echo "The AWS CLI is not installed, and it deletes the network interfaces that nodes left in $VPC_ID; install it and destroy again." >&2
  exit 1
fi
free() {
  aws ec2 describe-network-interfaces \
    --filters "Name=vpc-id,Values=$VPC_ID" "Name=status,Values=available" ${OWNER:+"$OWNER"} \
    --query "NetworkInterfaces[].NetworkInterfaceId" --output text
}
attempt=1
while :; do
  interfaces=$(free)
  if [ -z "$interfaces" ] || [ "$interfaces" = None ]; then exit 0; fi
  if [ "$attempt" -gt 20 ]; then
    echo "Network interfaces are left in $VPC_ID after $((attempt - 1)) attempts: $interfaces; see who holds them in the EC2 console." >&2
    exit 1
  fi
  for interface in $interfaces; do
    echo "deleting the network interface $interface, which no machine has any more" >&2
    aws ec2 delete-network-interface --network-interface-id "$interface" || sleep 5
  done
  attempt=$((attempt + 1))
done

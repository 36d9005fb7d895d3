package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// exitCodes is the end of every help text.
const exitCodes = `
EXIT CODES:
   0 ok, 1 failure, 2 usage, 3 not found, 4 refused, 5 waiting for approval, 6 busy or stale, 130 interrupted
`

// explain gives a command its examples and its help text.
func explain(cmd *cli.Command, path string) {
	if lines := examples[path]; len(lines) > 0 {
		cmd.Description = strings.TrimSpace(cmd.Description + "\n\nExamples:\n  " + strings.Join(lines, "\n  "))
	}
	for _, f := range cmd.Flags {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = true // "(default: false)" says nothing
		}
	}
	cmd.CustomHelpTemplate = cli.CommandHelpTemplate + exitCodes
	if len(cmd.Subcommands) > 0 {
		cmd.UsageText = "lodge " + path + " COMMAND [command options] [names]"
		cmd.CustomHelpTemplate = cli.SubcommandHelpTemplate + exitCodes
	}
}

// examples has lines for every command that does something, by its path.
var examples = map[string][]string{
	"launch": {`lodge launch debian/12 web1 --purpose "shop front" --owner dev1 --env prod --cpus 1 --memory 512MiB --disk 5GiB`, `lodge launch debian/12 --purpose "a try" --expires 7d`},
	"create": {`lodge create debian/12 db1 --purpose "orders" --memory 2GiB --plan`},
	"clone":  {`lodge clone web1 web1-test`, `lodge clone web1 web1-before --snapshot monday`},
	"list": {`lodge list`, `lodge list --filter 'env=prod & state=running & memory>1GiB'`,
		`lodge list web --columns name,ipv4`, `lodge ls -o json`, `lodge ls -A`},
	"show":     {`lodge show web1`, `lodge show web1 -o json`},
	"info":     {`lodge info web1`},
	"start":    {`lodge start web1 web2`, `lodge start --all`},
	"stop":     {`lodge stop web1 --timeout 1m --kill`, `lodge stop --filter env=test`},
	"restart":  {`lodge restart web1 --reason "new kernel limits"`},
	"kill":     {`lodge kill web1`},
	"freeze":   {`lodge freeze web1`},
	"unfreeze": {`lodge unfreeze web1`},
	"delete":   {`lodge delete web1`, `lodge delete web1 web2 --purge --yes`},
	"rename":   {`lodge rename web1 shop1`},
	"move": {`lodge move web1 --pool fast --plan`, `lodge move web1 --to-project shop`,
		`lodge move web1 --tidy --pool default`},

	"trash list":    {`lodge trash list`},
	"trash restore": {`lodge trash restore web1`},
	"trash purge":   {`lodge trash purge web1 --yes`},

	"set": {`lodge set web1 memory=1GiB restart.policy=always`,
		`lodge set web1 env=prod --ticket OPS-12`},
	"unset":   {`lodge unset web1 memory`},
	"get":     {`lodge get web1`, `lodge get web1 memory`},
	"edit":    {`lodge edit web1`, `EDITOR=nano lodge edit web1 --reason "rename the team"`},
	"resize":  {`lodge resize web1 --memory 2GiB --for 2h`},
	"label":   {`lodge label web1 team=shop old-`},
	"owner":   {`lodge owner web1 dev2`, `lodge owner --filter 'owner=dev1' dev2 --reason "dev1 has left"`},
	"history": {`lodge history web1`},
	"diff":    {`lodge diff web1`, `lodge diff web1 3`},
	"revert":  {`lodge revert web1 3 --plan`},

	"device add": {`lodge device add web1 scratch tmpfs path=/scratch size=64MiB`,
		`lodge device add web1 media disk source=/srv/media path=/media readonly=true --plan`},
	"device remove":           {`lodge device remove web1 scratch`},
	"device list":             {`lodge device list web1`},
	"volume create":           {`lodge volume create data --size 10GiB --purpose "orders of the shop"`},
	"volume list":             {`lodge volume list`, `lodge volume list -o json`},
	"volume show":             {`lodge volume show data`},
	"volume attach":           {`lodge volume attach data web1:/srv/data`, `lodge volume attach data web2 --read-only`},
	"volume detach":           {`lodge volume detach data`, `lodge volume detach data web1`},
	"volume move":             {`lodge volume move data web2`},
	"volume resize":           {`lodge volume resize data 20GiB`},
	"volume set":              {`lodge volume set data --shared yes`, `lodge volume set data --owner dev1 --backup no`},
	"volume delete":           {`lodge volume delete data --yes`},
	"volume snapshot create":  {`lodge volume snapshot create data monday`},
	"volume snapshot list":    {`lodge volume snapshot list data`},
	"volume snapshot restore": {`lodge volume snapshot restore data monday`},
	"volume snapshot delete":  {`lodge volume snapshot delete data monday`},
	"snapshot create":         {`lodge snapshot create web1 monday --note "before the update"`},
	"snapshot list":           {`lodge snapshot list web1`},
	"snapshot show":           {`lodge snapshot show web1 monday`},
	"snapshot restore":        {`lodge snapshot restore web1 monday --yes`},
	"snapshot delete":         {`lodge snapshot delete web1 monday --yes`},

	"ssh": {`lodge ssh web1`, `lodge ssh web1 --user root -- uptime`},
	"exec": {`lodge exec web1 -- apt-get update`,
		`lodge exec web1 --user www-data --cwd /srv --setenv A=1 -- ls -l`, `tar c site | lodge exec web1 -- tar x -C /srv`},
	"shell":          {`lodge shell web1`},
	"console":        {`lodge console web1`, `lodge console web1 --log`},
	"session list":   {`lodge session list --live`},
	"session show":   {`lodge session show 0197d1c2-0000-7000-8000-000000000001`},
	"session attach": {`lodge session attach 0197d1c2-0000-7000-8000-000000000001`},
	"session watch":  {`lodge session watch 0197d1c2-0000-7000-8000-000000000001`},
	"session end":    {`lodge session end 0197d1c2-0000-7000-8000-000000000001`},

	"file push": {`lodge file push site.conf web1/etc/nginx/conf.d/`,
		`lodge file push -r site web1/srv/site`, `date | lodge file push - web1/etc/built`},
	"file pull": {`lodge file pull web1/etc/hosts .`, `lodge file pull -r web1/var/log logs`,
		`lodge file pull web1/etc/hosts -`},
	"file list":   {`lodge file list web1/etc`},
	"file edit":   {`lodge file edit web1/etc/hosts`},
	"file delete": {`lodge file delete web1/etc/motd`},

	"wait": {`lodge wait web1 ready`, `lodge wait web1 state=running ip port=22 --timeout 30s`},
	"top":  {`lodge top`, `lodge top --sort memory`, `lodge top -o csv`},

	"image list":  {`lodge image list`},
	"image show":  {`lodge image show debian/12 -o json`},
	"image build": {`lodge image build debian/12`},
	"image import": {`lodge image import rootfs.tar.xz --alias corp/base`, `lodge image import incus.tar.xz rootfs.squashfs --alias corp/base`,
		`ssh old tar c / | lodge image import - --alias old`},
	"image export":        {`lodge image export debian/12 debian-12.tar.zst`},
	"image publish":       {`lodge image publish web1 corp/web`, `lodge image publish web1/monday corp/web --expires 90d`},
	"image pull":          {`lodge image pull corp:debian/12 --alias debian/12`},
	"image outdated":      {`lodge image outdated --age 90d`},
	"image remote list":   {`lodge image remote list`},
	"image remote add":    {`lodge image remote add corp https://images.example.com --key corp.asc`},
	"image remote remove": {`lodge image remote remove corp`},
	"import":              {`lodge import web1-export.tar.gz`, `lodge import web1-export.tar.gz shop --purpose "shop front" --env prod`},
	"image delete":        {`lodge image delete debian/12 --yes`},
	"image alias":         {`lodge image alias debian/12 corp/base`},

	"operation list":   {`lodge operation list --state running`},
	"operation show":   {`lodge operation show 0197d1c2-0000-7000-8000-000000000001`},
	"operation wait":   {`lodge operation wait 0197d1c2-0000-7000-8000-000000000001 --timeout 5m`},
	"operation cancel": {`lodge operation cancel 0197d1c2-0000-7000-8000-000000000001`},
	"change list":      {`lodge change list`, `lodge change list --state all`},
	"change show":      {`lodge change show 42`, `lodge change show 42 --signature 1 --to /tmp`},
	"change approve":   {`lodge change approve 42 --note "seen"`, `lodge change approve 42 --key ~/.ssh/id_ed25519`},
	"change reject":    {`lodge change reject 42 --note "not on a Friday"`},
	"window list":      {`lodge window list`},
	"window show":      {`lodge window show nights`},
	"window create":    {`lodge window create nights --schedule 'sat 02:00-06:00' --tz Europe/Berlin --filter 'env=prod'`, `lodge window create holidays --freeze --from 2026-12-20 --until 2027-01-03 --filter 'env=prod' --reason 'nobody is here'`},
	"window remove":    {`lodge window remove nights`},
	"change submit":    {`lodge change submit 43`},
	"change withdraw":  {`lodge change withdraw 42 --note "it is Friday after all"`},
	"change review":    {`lodge change review 42 --note "the disk was full; a quota would have helped"`},
	"change close":     {`lodge change close 42`},
	"change release":   {`lodge change release 42`},
	"change cancel":    {`lodge change cancel 42`},

	"audit list":   {`lodge audit list --name web1 --since '2h ago'`},
	"audit show":   {`lodge audit show 17`},
	"audit tail":   {`lodge audit tail`},
	"audit key":    {`lodge audit key > lodge-audit.pub`},
	"audit verify": {`lodge audit verify`, `lodge audit verify /mnt/copy/audit --key lodge-audit.pub`},
	"event tail":   {`lodge event tail --type operation. -o json`},

	"host show":     {`lodge host show`},
	"host check":    {`lodge host check`, `lodge host check -o json`},
	"host add":      {`lodge host add oslo ssh://admin@oslo.example`},
	"host use":      {`lodge host use oslo`, `lodge host use local`},
	"host list":     {`lodge host list`},
	"host remove":   {`lodge host remove oslo`},
	"affinity list": {`lodge affinity list`},
	"user list":     {`lodge user list`},
	"user show":     {`lodge user show dev1`},
	"user create":   {`lodge user create dev1 --uid "$(id -u dev1)" --note "Dana Developer"`},
	"user link":     {`lodge user link dev1 1001`, `lodge user link dev1 --note "Dana Developer, shop team"`},
	"user unlink":   {`lodge user unlink dev1 1001`},
	"user disable":  {`lodge user disable dev1 --reason "left on Friday"`},
	"user enable":   {`lodge user enable dev1`},
	"user delete":   {`lodge user delete dev1`},
	"group list":    {`lodge group list`},
	"group create":  {`lodge group create shop-team dev1 dev2`},
	"group add":     {`lodge group add shop-team dev3`},
	"group remove":  {`lodge group remove shop-team dev3`},
	"group delete":  {`lodge group delete shop-team`},
	"token list":    {`lodge token list`},
	"token create":  {`lodge token create ci --role operator --on project:shop --expires 30d`, `LODGE_TOKEN=$(lodge token create backup -q --right view --user backup-bot) lodge list`},
	"token revoke":  {`lodge token revoke ci`, `lodge token revoke ci --user dev1`},

	"role list":   {`lodge role list`, `lodge role list --to dev1`},
	"role show":   {`lodge role show`, `lodge role show operator`},
	"role grant":  {`lodge role grant operator shop-team --on project:shop`, `lodge role grant viewer dev1 --on 'selector:label.tier=front & env=dev' --expires 8h`, `lodge role grant admin ops1 --on host`},
	"role revoke": {`lodge role revoke operator shop-team --on project:shop`},
	"role who":    {`lodge role who web1`, `lodge role who`},

	"key list":   {`lodge key list`, `lodge key list --user dev1`},
	"key add":    {`lodge key add ~/.ssh/id_ed25519.pub`, `ssh-add -L | lodge key add - --user dev1`},
	"key remove": {`lodge key remove SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU`},

	"affinity add":         {`lodge affinity add shop apart env=prod,dr --reason 'one machine may burn'`, `lodge affinity add shop together label.tier=web,cache --prefer`},
	"affinity remove":      {`lodge affinity remove shop`},
	"dns list":             {`lodge dns list`},
	"dns add":              {`lodge dns add www CNAME web1`, `lodge dns add printer A 192.0.2.7 --ttl 3600`},
	"dns remove":           {`lodge dns remove www CNAME web1`},
	"dial-stdio":           {`ssh admin@oslo.example lodge dial-stdio`},
	"config list":          {`lodge config list`, `lodge config list -o wide`},
	"config get":           {`lodge config get memory`},
	"config set":           {`lodge config set memory=1GiB`},
	"config unset":         {`lodge config unset memory`},
	"firewall list":        {`lodge firewall list`},
	"firewall allow":       {`lodge firewall allow label:role=web label:role=db tcp/5432 --reason "the shop's database"`, `lodge firewall allow ci1 host tcp/3000 --for 2h`},
	"firewall deny":        {`lodge firewall deny project:guests 192.0.2.0/24 any`},
	"firewall remove":      {`lodge firewall remove fw-7297b6d5`},
	"firewall test":        {`lodge firewall test web1 shop/db1 tcp/5432`},
	"firewall log":         {`lodge firewall log`},
	"forward list":         {`lodge forward list`},
	"forward add":          {`lodge forward add :8443 web1:443`, `lodge forward add udp/192.0.2.1:53 dns1:53`, `lodge forward add :8000-8010 web1:9000-9010`},
	"forward remove":       {`lodge forward remove :8443`},
	"network list":         {`lodge network list`},
	"network show":         {`lodge network show default`},
	"network create":       {`lodge network create lab --purpose "for trying things"`, `lodge network create office --type bridge --parent br0 --ipv4 192.168.1.1/24`},
	"network set":          {`lodge network set lab --mtu 1400 --plan`},
	"network delete":       {`lodge network delete lab`},
	"address list":         {`lodge address list --history`},
	"address history":      {`lodge address history 10.86.0.7`},
	"address reserve":      {`lodge address reserve 10.86.0.100-10.86.0.120 --note "the old farm"`, `lodge address reserve 10.86.0.7 --for web1`},
	"address release":      {`lodge address release 10.86.0.7`},
	"address reserved":     {`lodge address reserved`},
	"pool list":            {`lodge pool list -o wide`},
	"pool show":            {`lodge pool show fast`},
	"policy list":          {`lodge policy list`},
	"policy show":          {`lodge policy show > site.cedar`, `lodge policy show --schema`, `lodge policy show 3`},
	"policy set":           {`lodge policy set -f site.cedar --plan`, `lodge policy set -f site.cedar --reason "no stops by day" --ticket CHG-7`},
	"policy edit":          {`lodge policy edit --reason "no stops by day"`},
	"policy diff":          {`lodge policy diff`, `lodge policy diff 2 5`},
	"policy history":       {`lodge policy history`},
	"policy revert":        {`lodge policy revert 3 --reason "4 was too strict"`},
	"policy test":          {`lodge policy test --as dev1 delete db1`, `lodge policy test --as role:operator stop env=prod,label.tier=db`, `lodge policy test --as dev1 -f new.cedar set db1 --set env=dev`},
	"policy expect list":   {`lodge policy expect list`},
	"policy expect add":    {`lodge policy expect add --as dev1 --want hold delete db1`, `lodge policy expect add --as role:operator --want deny purge env=prod`},
	"policy expect remove": {`lodge policy expect remove 3`},
	"pool create": {`lodge pool create fast --size 50GiB`,
		`lodge pool create archive --driver dir --source /mnt/disk2/lodge`},
	"pool delete":      {`lodge pool delete fast --yes`},
	"pool set-default": {`lodge pool set-default fast`},
	"pool scrub":       {`lodge pool scrub fast --no-wait`},

	"apply":       {`lodge apply -f shop.yaml --plan`, `lodge apply -f shop.yaml --ticket OPS-12`, `lodge apply -f -`},
	"export-spec": {`lodge export-spec web1 db1 > shop.yaml`, `lodge export-spec --all`},

	"project list":   {`lodge project list -o wide`},
	"project show":   {`lodge project show shop`},
	"project create": {`lodge project create shop --purpose "the web shop" --owner dev1 --member dev2=operator memory=1GiB`},
	"project set":    {`lodge project set shop memory=2GiB --member dev2-`, `lodge project set shop --image debian/12`},
	"project unset":  {`lodge project unset shop memory`},
	"project delete": {`lodge project delete shop`},

	"lease list":   {`lodge lease list`, `lodge lease list -A`},
	"lease show":   {`lodge lease show web1`},
	"lease set":    {`lodge lease set web1 --keep-until 30d`, `lodge lease set demo --run-until 2026-06-01T18:00:00Z --keep-until 2026-07-01`},
	"lease extend": {`lodge lease extend web1`, `lodge lease extend web1 --keep-until 30d --reason "the trial goes on"`, `lodge lease extend --filter 'owner=dev1 & lease<7d' --keep-until 14d`},
	"lease clear":  {`lodge lease clear web1`, `lodge lease clear web1 --run`},

	"quota list": {`lodge quota list`, `lodge quota list shop`, `lodge quota list --owner dev1`},
	"quota set": {`lodge quota set shop containers=20 cpus=8 memory=16GiB disk=200GiB`, `lodge quota set --owner dev1 containers=5 privileged=0`,
		`lodge quota set --env prod addresses=30`, `lodge quota set --whole-host memory=48GiB`},
	"quota unset": {`lodge quota unset shop memory`},

	"inventory csv": {`lodge inventory csv > containers.csv`},
	"inventory ansible": {`lodge inventory ansible > hosts.yaml`,
		`lodge inventory ansible --filter env=prod --list`},
	"inventory http-sd": {`lodge inventory http-sd --port 9100 > /etc/prometheus/lodge.json`},
	"ssh-config":        {`lodge ssh-config > ~/.ssh/lodge.config`},

	"doctor":     {`lodge doctor`, `sudo lodge doctor --fix`},
	"version":    {`lodge version`},
	"completion": {`lodge completion bash > /etc/bash_completion.d/lodge`},
	"man":        {`lodge man | man -l -`},
	"help":       {`lodge help launch`, `lodge help snapshot create`},
}

# SPDX-License-Identifier: Apache-2.0
# For the commands of an AI coding agent, or the agent itself: it reads the system, writes the folder it is started
# in and a /tmp of its own, and reaches no network but hosts that are named with --allow-host.

summary "AI coding agents: reads the system but no secrets, writes its folder and /tmp only, no network"

include RESOURCE-AWARE

# A session may last for days; a fork bomb and a leak end it all the same.
forget limits
limit memory 8G
limit pids 4096

# Keys and passwords. What follows 'mount write .' also holds where that folder is the home.
mount hide ~/.ssh optional
mount hide ~/.gnupg optional
mount hide ~/.aws optional
mount hide ~/.azure optional
mount hide ~/.config/gcloud optional
mount hide ~/.config/gh optional
mount hide ~/.config/hub optional
mount hide ~/.config/op optional
mount hide ~/.config/sops optional
mount hide ~/.config/rclone optional
mount hide ~/.config/google-chrome optional
mount hide ~/.config/chromium optional
mount hide ~/.mozilla optional
mount hide ~/.thunderbird optional
mount hide ~/.docker optional
mount hide ~/.kube optional
mount hide ~/.password-store optional
mount hide ~/.local/share/keyrings optional
mount hide ~/.netrc optional
mount hide ~/.git-credentials optional
mount hide ~/.config/git/credentials optional
mount hide ~/.npmrc optional
mount hide ~/.pypirc optional
mount hide ~/.pgpass optional
mount hide ~/.my.cnf optional
mount hide ~/.cargo/credentials.toml optional
mount hide ~/.terraform.d optional
mount hide ~/.vault-token optional
mount hide ~/.bash_history optional
mount hide ~/.zsh_history optional
mount hide /etc/ssl/private optional
mount hide /etc/sudoers optional
mount hide /etc/sudoers.d optional
mount hide /var/lib/docker optional
mount hide /var/lib/containerd optional

# Ways to agents that hold keys.
environment drop SSH_AUTH_SOCK SSH_AGENT_PID GPG_AGENT_INFO DBUS_SESSION_BUS_ADDRESS

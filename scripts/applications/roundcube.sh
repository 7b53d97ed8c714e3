# shellcheck shell=bash disable=SC2034
# Roundcube with SQLite, beside Dovecot (IMAP) and aiosmtpd (SMTP): a browser reads a message and sends one to itself. Sourced by
# scripts/applications.sh.

application_roundcube() {
    unpacked roundcube-core || return 0
    mail_servers
    roundcube_site
    # The document root contains only what clients may fetch; PHP finds the rest beside it.
    with_igor
    roundcube_checks
    compared '/?_task=login'
    kill "$MAIL_IMAP" "$MAIL_SMTP"
    wait "$MAIL_IMAP" "$MAIL_SMTP" 2>/dev/null || true
    OTHERS=()
    rm -rf -- "$MAIL"
}

# free_port: neither server says which port it got. One below those that the kernel chooses for others: they cannot take it
# before the server does.
free_port() {
    "$PHP" -n -r 'do { $port = random_int(10000, 32000); } while (!@stream_socket_server("tcp://127.0.0.1:$port")); echo $port;'
}

# mail_servers: both keep the one Maildir of the user "igor". Dovecot serves no mail as root, so as root both run as `nobody`.
mail_servers() {
    local user=nobody group=nogroup own=()
    MAIL=$(mktemp --directory) IMAP_PORT=$(free_port)
    if ((EUID != 0)); then
        user=$(id -un) group=$(id -gn) own=(--nosetuid)
    fi
    mkdir -p -- "$MAIL"/mail/Maildir/{cur,new,tmp} "$MAIL/base"
    chmod 755 "$MAIL"
    mail_settings "$user" "$group" >"$MAIL/dovecot.conf"
    # Whole before both start: aiosmtpd would make it as root, for root alone, before it becomes `nobody`.
    ((EUID != 0)) || chown -R "$user:$group" "$MAIL/mail"
    dovecot -F -c "$MAIL/dovecot.conf" >"$SITE/imap.log" 2>&1 &
    MAIL_IMAP=$!
    OTHERS+=("$MAIL_IMAP")
    until_true 'the IMAP server' imap --request NOOP
    SMTP_PORT=$(free_port)
    /usr/bin/aiosmtpd "${own[@]}" --class aiosmtpd.handlers.Mailbox --listen "127.0.0.1:$SMTP_PORT" "$MAIL/mail/Maildir" \
        >"$SITE/smtp.log" 2>&1 &
    MAIL_SMTP=$!
    OTHERS+=("$MAIL_SMTP")
    until_true 'the SMTP server' deliver 'A first message' 'From before the browser came.'
}

# mail_settings USER GROUP
mail_settings() {
    cat <<CONF
protocols = imap
listen = 127.0.0.1
base_dir = $MAIL/base
log_path = $SITE/dovecot.log
ssl = no
disable_plaintext_auth = no
mail_location = maildir:$MAIL/mail/Maildir
first_valid_uid = 1
default_internal_user = $( ((EUID == 0)) && echo dovecot || echo "$1")
default_login_user = $( ((EUID == 0)) && echo dovenull || echo "$1")
service imap-login {
  $( ((EUID == 0)) || echo 'chroot =')
  inet_listener imap {
    port = $IMAP_PORT
  }
  inet_listener imaps {
    port = 0
  }
}
$( ((EUID == 0)) || printf 'service anvil {\n  chroot =\n}\nservice stats {\n  chroot =\n}\n')
passdb {
  driver = static
  args = password=a-long-secret
}
userdb {
  driver = static
  args = uid=$1 gid=$2 home=$MAIL/mail
}
CONF
}

# imap ARGUMENT…: a command to the user's mailbox.
imap() { curl --silent --fail --max-time 5 --user igor:a-long-secret "$@" "imap://127.0.0.1:$IMAP_PORT/INBOX"; }

# deliver SUBJECT TEXT
deliver() {
    printf 'From: Other <other@example.com>\r\nTo: igor@example.com\r\nSubject: %s\r\n\r\n%s\r\n' "$1" "$2" |
        curl --silent --fail --max-time 5 --mail-from other@example.com --mail-rcpt igor@example.com --upload-file - \
            "smtp://127.0.0.1:$SMTP_PORT"
}

roundcube_site() {
    local app=$SITE/app link
    cp -R -- "$FILES/usr/share/roundcube" "$app"
    rm -rf -- "$app/installer"
    mkdir -p -- "$app"/{config,logs,temp} "$app/public_html/program"
    cp -- "$FILES"/etc/roundcube/{defaults.inc,mimetypes}.php "$app/config/"
    cp -- "$FILES/var/lib/roundcube/public_html/index.php" "$app/public_html/"
    for link in skins plugins program/js program/resources; do
        ln -s -- "$app/$link" "$app/public_html/$link"
    done
    ln -s -- "$app/public_html" "$SITE/root"
    cat >"$app/config/config.inc.php" <<PHP
<?php
\$config['db_dsnw'] = 'sqlite:///$SITE/roundcube.db?mode=0640';
\$config['imap_host'] = '127.0.0.1:$IMAP_PORT';
\$config['smtp_host'] = '127.0.0.1:$SMTP_PORT';
\$config['smtp_user'] = \$config['smtp_pass'] = '';
\$config['mail_domain'] = 'example.com';
\$config['des_key'] = 'twenty-four-letters-long';
\$config['language'] = 'en_US';
\$config['create_default_folders'] = true;
\$config['enable_installer'] = false;
PHP
    "$IGOR" php-cli -r '$db = new PDO("sqlite:" . $argv[1]); $db->exec(file_get_contents($argv[2]));' \
        "$SITE/roundcube.db" "$app/SQL/sqlite.initial.sql" || fail "$APPLICATION: its tables are not made"
}

# token: the token of the page on the standard input.
token() { sed -n 's/.*name="_token" value="\([^"]*\)".*/\1/p' | head -n 1; }

roundcube_checks() {
    local token uid
    browser 'go /?_task=login' 'type #rcmloginuser igor' 'type #rcmloginpwd a-long-secret' 'click #rcmloginsubmit' 'see A first message' \
        'go /?_task=mail&_mbox=INBOX&_uid=1&_action=show' 'see From before the browser came.' \
        'go /?_task=mail&_action=compose' 'type #compose-subject Written in a browser' 'type #composebody To myself.' \
        "script document.getElementById('_to').value = 'igor@example.com'" \
        'click button.send' 'see Message sent successfully'
    passed 'a browser logs in, reads a message, and sends one'
    until_true 'the message to arrive' roundcube_arrived
    passed 'the message arrives'
    token=$(ask '/?_task=login' | token)
    ask '/?_task=login' --data '_task=login&_action=login&_user=igor&_pass=a-long-secret' --data-urlencode "_token=$token" |
        has 'it logs in' 'task=logout'
    ask '/?_task=mail&_action=list&_mbox=INBOX&_remote=1' | has 'it lists messages' 'Written in a browser'
    uid=$(imap --request 'SEARCH SUBJECT "Written in a browser"' | tr -d '\r' | sed -n 's/^\* SEARCH //p')
    ask "/?_task=mail&_mbox=INBOX&_uid=$uid&_action=show" | has 'it shows the message that it sent' 'To myself.'
    ask "/?_task=mail&_mbox=INBOX&_uid=1&_action=viewsource" | has 'it shows the source of a message' 'From: Other'
    ask '/?_task=mail&_action=search&_q=browser&_headers=subject&_mbox=INBOX&_remote=1' | has 'it searches' 'Written in a browser'
    ask '/?_task=settings&_action=folders' | has 'it has made folders' 'Sent'
    ask '/?_task=settings&_action=edit-prefs&_section=general' | has 'it shows settings' '_timezone'
    ask '/?_task=addressbook' | has 'it shows addresses' 'addressbook'
    ask '/skins/elastic/styles/styles.min.css' | has 'its style sheet' '#layout'
    ask '/program/js/app.min.js' | has 'its scripts' 'rcube_webmail'
    # The front controller serves paths that are not files.
    curl --silent --fail "http://$IGOR_AT/config/config.inc.php" | has 'what is beside the document root is not served' 'rcmloginuser'
}

roundcube_arrived() { [[ $(imap --request 'SEARCH SUBJECT "Written in a browser"') == *SEARCH\ [0-9]* ]]; }

# Tokens.
steady() { sed -E 's/("request_token":|name="_token" value=)"[^"]*"/\1TOKEN/g'; }

# Prepares the root of a host ($1): accounts, and an environment with the melwatch under test that all can read.
#   BASE  the Python that the environment of the tests was made of     LIBRARIES  where its packages lie, a line each
#   PACKAGES  a folder with the packages of melwatch itself            PYTHON     such as python3.11
root=$1

for user in anna tester stranger; do
    chroot "$root" useradd --create-home --shell /bin/bash "$user"
done
chroot "$root" useradd --system --create-home --home-dir /var/lib/media --shell /usr/sbin/nologin media
chmod o+x "$root/root" # a Python may lie below it
mkdir -p "$root/var/lib/systemd/linger"
touch "$root/var/lib/systemd/linger/tester"

place=/opt/melwatch
own=$place/lib/$PYTHON/site-packages
mkdir -p "$root$place/bin" "$root$own"
number=0
while read -r folder; do # bound, since folders above them may be closed to others
    number=$((number + 1))
    bound=$place/libraries-$number
    mkdir "$root$bound"
    mount --bind "$folder" "$root$bound"
    mount -o remount,bind,ro "$root$bound"
    echo "$bound" >>"$root$own/libraries.pth"
done <<<"$LIBRARIES"
cp -r "$PACKAGES/." "$root$own"
chmod -R a+rX "$root$own"
ln -s "$BASE" "$root$place/bin/python"
printf 'home = %s\ninclude-system-site-packages = false\n' "$(dirname "$BASE")" >"$root$place/pyvenv.cfg"
cat >"$root$place/bin/melwatch" <<'END'
#!/opt/melwatch/bin/python -P
from melwatch_service.cli import main
if __name__ == "__main__":  # as pip writes it: child processes import this again
    main()
END
chmod 755 "$root$place/bin/melwatch"
ln -sf "$place/bin/melwatch" "$root/usr/local/bin/melwatch"

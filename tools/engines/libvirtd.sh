# libvirtd with folders of its own and a /dev without kvm; run in a new mount namespace, as: libvirtd.sh FOLDER
#
# Where /dev/kvm exists but can't be used, libvirt finds its cache of capabilities stale at each look-up, and
# probes every emulator anew, for seconds; binding /dev/null over it is no help, the name has to be gone.
set -eu
folder=$1

mount --bind "$folder/etc" /etc/libvirt
mount --bind "$folder/lib" /var/lib/libvirt
mount --bind "$folder/cache" /var/cache/libvirt
mount --bind "$folder/log" /var/log/libvirt
mount --bind "$folder/run" /run/libvirt

mkdir "$folder/dev"
mount -t tmpfs -o mode=755 tmpfs "$folder/dev"
for device in /dev/*; do
    own=$folder/dev/${device##*/}
    if [ "$device" = /dev/kvm ]; then
        continue
    elif [ -L "$device" ]; then
        cp -P "$device" "$own"
    elif [ -d "$device" ]; then
        mkdir "$own"
        mount --rbind "$device" "$own"
    else
        touch "$own"
        mount --bind "$device" "$own"
    fi
done
mount --move "$folder/dev" /dev
rmdir "$folder/dev"

exec libvirtd --pid-file "$folder/libvirtd.pid"

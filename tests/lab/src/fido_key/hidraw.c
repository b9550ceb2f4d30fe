// Shows the keys of a rig as /dev/hidrawN to a program that is started with LD_PRELOAD=this and TAPVAULT_LAB_HIDRAW=FOLDER.
//
// The program is the one that ships; it and its libraries call the C library and libudev, and some of these calls are
// answered here. FOLDER stands in for /: in FOLDER/sys/class/hidraw a key is described as the kernel would do it, and
// FOLDER/dev/hidrawN is a Unix socket of type SEQPACKET that carries its reports. Nothing is remembered: a descriptor is a
// key's when its other end is a socket in FOLDER/dev, so closing, duplicating and handing down need no care.
//
// Without TAPVAULT_LAB_HIDRAW a program finds no keys, not even the machine's own, and nothing else is another for it.
//
// What it can't show: permissions other than "nobody may" (mode 000), udev's events, programs that make system calls
// without the C library. The guest is for that.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/hidraw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#define NODE "/dev/hidraw"
#define CLASS "/sys/class/hidraw"
// The kernel gives out hidraw's number when it starts; it has to be some.
#define HIDRAW_MAJOR 243

// The function that this library hides.
#define HIDDEN(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

static const char *folder(void) { return getenv("TAPVAULT_LAB_HIDRAW"); }

// The number of a path /dev/hidrawN, or -1.
static int node_number(const char *path) {
    char *end;
    if (!folder() || strncmp(path, NODE, strlen(NODE)) || path[strlen(NODE)] < '0' || path[strlen(NODE)] > '9') return -1;
    long number = strtol(path + strlen(NODE), &end, 10);
    return *end ? -1 : (int)number;
}

// Where a path lies in truth: in FOLDER if it is one of those that FOLDER stands in for.
static const char *in_truth(const char *path, char place[PATH_MAX]) {
    bool class = folder() && !strncmp(path, CLASS, strlen(CLASS)) && strchr("/", path[strlen(CLASS)]);
    if (!class && node_number(path) < 0) return path;
    snprintf(place, PATH_MAX, "%s%s", folder(), path);
    return place;
}

// Whether a descriptor is a key's.
static bool is_key(int fd) {
    struct sockaddr_un peer = {0};
    socklen_t length = sizeof peer - 1;
    if (!folder() || getpeername(fd, (struct sockaddr *)&peer, &length) || peer.sun_family != AF_UNIX) return false;
    size_t here = strlen(folder());
    return !strncmp(peer.sun_path, folder(), here) && !strncmp(peer.sun_path + here, NODE, strlen(NODE));
}

static int fail(int error) {
    errno = error;
    return -1;
}

// --- opening: a node is a socket, which open(2) does not open

static int open_key(const char *place, int flags) {
    struct stat found;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (HIDDEN(stat)(place, &found)) return -1;
    // Root could open what nobody may; here it can't, or a test run by root would see nothing of it.
    if (!(found.st_mode & (S_IRUSR | S_IWUSR))) return fail(EACCES);
    if (strlen(place) >= sizeof address.sun_path) return fail(ENAMETOOLONG);
    strcpy(address.sun_path, place);
    int type = SOCK_SEQPACKET | (flags & O_CLOEXEC ? SOCK_CLOEXEC : 0) | (flags & O_NONBLOCK ? SOCK_NONBLOCK : 0);
    int fd = socket(AF_UNIX, type, 0);
    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        return fail(ENODEV);
    }
    return fd;
}

#define OPEN(function)                                                                                                 \
    int function(const char *path, int flags, ...) {                                                                   \
        char place[PATH_MAX];                                                                                          \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = va_arg(more, mode_t);                                                                            \
        va_end(more);                                                                                                  \
        path = in_truth(path, place);                                                                                  \
        if (path == place && strstr(place, NODE)) return open_key(place, flags);                                       \
        return HIDDEN(function)(path, flags, mode);                                                                    \
    }
OPEN(open)
OPEN(open64)

// All of FOLDER/dev is keys, so who looks through /dev finds nothing else there.
DIR *opendir(const char *path) {
    char place[PATH_MAX];
    if (folder() && !strcmp(path, "/dev")) {
        snprintf(place, sizeof place, "%s/dev", folder());
        return HIDDEN(opendir)(place);
    }
    return HIDDEN(opendir)(in_truth(path, place));
}

// --- looking: a node has to look like a device; libfido2 takes no other

static void look_like_device(mode_t *mode, dev_t *device, int number) {
    *mode = (*mode & ~S_IFMT) | S_IFCHR;
    *device = makedev(HIDRAW_MAJOR, number);
}

#define STAT(function, structure)                                                                                      \
    int function(const char *path, struct structure *found) {                                                          \
        char place[PATH_MAX];                                                                                          \
        int number = node_number(path), result = HIDDEN(function)(in_truth(path, place), found);                       \
        if (!result && number >= 0) look_like_device(&found->st_mode, &found->st_rdev, number);                        \
        return result;                                                                                                 \
    }
STAT(stat, stat)
STAT(stat64, stat64)
STAT(lstat, stat)
STAT(lstat64, stat64)

#define FSTAT(function, structure)                                                                                     \
    int function(int fd, struct structure *found) {                                                                    \
        int result = HIDDEN(function)(fd, found);                                                                      \
        if (!result && S_ISSOCK(found->st_mode) && is_key(fd)) look_like_device(&found->st_mode, &found->st_rdev, 0);  \
        return result;                                                                                                 \
    }
FSTAT(fstat, stat)
FSTAT(fstat64, stat64)

// What Rust's standard library calls for all of these.
int statx(int at, const char *path, int flags, unsigned mask, struct statx *found) {
    char place[PATH_MAX];
    // The header says that there is always a path; Rust probes without one.
    const char *volatile given = path;
    int number = given ? node_number(path) : -1;
    int result = HIDDEN(statx)(at, given ? in_truth(path, place) : path, flags, mask, found);
    if (!result && number >= 0) {
        found->stx_mode = (found->stx_mode & ~S_IFMT) | S_IFCHR;
        found->stx_rdev_major = HIDRAW_MAJOR;
        found->stx_rdev_minor = number;
    }
    return result;
}

int access(const char *path, int mode) {
    char place[PATH_MAX];
    struct stat found;
    path = in_truth(path, place);
    if (path == place && mode != F_OK && !HIDDEN(stat)(path, &found) && !(found.st_mode & (S_IRUSR | S_IWUSR)))
        return fail(EACCES);
    return HIDDEN(access)(path, mode);
}

// --- reading and writing: a key that was pulled out shows in errors, not in an end of file or a signal

ssize_t read(int fd, void *buffer, size_t size) {
    ssize_t length = HIDDEN(read)(fd, buffer, size);
    if (length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR)) || !is_key(fd)) return length;
    return fail(EIO);
}

ssize_t write(int fd, const void *buffer, size_t size) {
    if (!is_key(fd)) return HIDDEN(write)(fd, buffer, size);
    ssize_t length = send(fd, buffer, size, MSG_NOSIGNAL);
    return length < 0 && errno != EAGAIN && errno != EINTR ? fail(ENODEV) : length;
}

// --- questions that only hidraw answers: is it a key at all?

static int report_descriptor(int fd, struct hidraw_report_descriptor *descriptor) {
    struct sockaddr_un peer = {0};
    socklen_t length = sizeof peer - 1;
    char place[PATH_MAX + sizeof CLASS + sizeof "/device/report_descriptor"];
    if (getpeername(fd, (struct sockaddr *)&peer, &length)) return -1;
    // the socket was bound as hidrawN.new
    const char *name = strrchr(peer.sun_path, '/') + 1;
    snprintf(place, sizeof place, "%s" CLASS "/%.*s/device/report_descriptor", folder(), (int)strcspn(name, "."), name);
    int file = HIDDEN(open)(place, O_RDONLY | O_CLOEXEC);
    if (file < 0) return fail(ENODEV);
    ssize_t size = HIDDEN(read)(file, descriptor->value, sizeof descriptor->value);
    close(file);
    if (size < 0) return -1;
    descriptor->size = (unsigned)size;
    return 0;
}

int ioctl(int fd, unsigned long request, ...) {
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);
    if (_IOC_TYPE(request) != 'H' || !is_key(fd)) return HIDDEN(ioctl)(fd, request, argument);
    struct hidraw_report_descriptor descriptor;
    if (request != HIDIOCGRDESCSIZE && request != HIDIOCGRDESC) return fail(EINVAL);
    if (report_descriptor(fd, &descriptor)) return -1;
    if (request == HIDIOCGRDESCSIZE)
        *(int *)argument = (int)descriptor.size;
    else
        memcpy(((struct hidraw_report_descriptor *)argument)->value, descriptor.value, descriptor.size);
    return 0;
}

// --- libudev, as hidapi and libfido2 ask it: which hidraw devices are there, and what does the kernel tell of each?
//
// libudev's own would look into the true /sys. A device here is its own parent of subsystem "hid", and has no parent of
// subsystem "usb": so it is with uhid's, too.

struct device {
    struct device *next;
    char path[64];
    char node[64];
    char uevent[1024];
};
struct enumeration {
    bool hidraw;
    struct device *first;
};

static struct device *new_device(const char *name) {
    struct device *device = calloc(1, sizeof *device);
    char place[PATH_MAX];
    if (!device) return NULL;
    snprintf(device->path, sizeof device->path, CLASS "/%.16s", name);
    snprintf(device->node, sizeof device->node, "/dev/%.16s", name);
    snprintf(place, sizeof place, "%s%s/device/uevent", folder(), device->path);
    FILE *file = fopen(place, "re");
    if (!file) {
        free(device);
        return NULL;
    }
    if (!fread(device->uevent, 1, sizeof device->uevent - 1, file)) device->uevent[0] = 0;
    fclose(file);
    return device;
}

void *udev_new(void) { return calloc(1, 1); }
void *udev_unref(void *udev) {
    free(udev);
    return NULL;
}

struct enumeration *udev_enumerate_new(void *udev) {
    (void)udev;
    return calloc(1, sizeof(struct enumeration));
}

int udev_enumerate_add_match_subsystem(struct enumeration *enumeration, const char *subsystem) {
    enumeration->hidraw |= !strcmp(subsystem, "hidraw");
    return 0;
}

int udev_enumerate_scan_devices(struct enumeration *enumeration) {
    struct dirent **names;
    char place[PATH_MAX];
    if (!enumeration->hidraw || !folder()) return 0;
    int count = scandir(in_truth(CLASS, place), &names, NULL, alphasort);
    // From the end, so that each is put before those that come after it.
    while (count-- > 0) {
        struct device *device = names[count]->d_name[0] == '.' ? NULL : new_device(names[count]->d_name);
        if (device) {
            device->next = enumeration->first;
            enumeration->first = device;
        }
        free(names[count]);
        if (!count) free(names);
    }
    return 0;
}

struct device *udev_enumerate_get_list_entry(struct enumeration *enumeration) { return enumeration->first; }
struct device *udev_list_entry_get_next(struct device *entry) { return entry->next; }
const char *udev_list_entry_get_name(struct device *entry) { return entry->path; }

void *udev_enumerate_unref(struct enumeration *enumeration) {
    while (enumeration && enumeration->first) {
        struct device *next = enumeration->first->next;
        free(enumeration->first);
        enumeration->first = next;
    }
    free(enumeration);
    return NULL;
}

struct device *udev_device_new_from_syspath(void *udev, const char *path) {
    (void)udev;
    return folder() && !strncmp(path, CLASS "/", sizeof CLASS) ? new_device(path + sizeof CLASS) : NULL;
}

struct device *udev_device_new_from_devnum(void *udev, char type, dev_t number) {
    char name[32];
    (void)udev;
    snprintf(name, sizeof name, "hidraw%u", minor(number));
    return folder() && type == 'c' && major(number) == HIDRAW_MAJOR ? new_device(name) : NULL;
}

void *udev_device_unref(struct device *device) {
    free(device);
    return NULL;
}

const char *udev_device_get_syspath(struct device *device) { return device->path; }
const char *udev_device_get_devnode(struct device *device) { return device->node; }

struct device *udev_device_get_parent_with_subsystem_devtype(struct device *device, const char *subsystem, const char *type) {
    (void)type;
    return strcmp(subsystem, "hid") ? NULL : device;
}

const char *udev_device_get_sysattr_value(struct device *device, const char *attribute) {
    return strcmp(attribute, "uevent") ? NULL : device->uevent;
}

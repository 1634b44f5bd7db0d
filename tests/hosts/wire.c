/* SPDX-License-Identifier: BSD-3-Clause */
/** @file wire.c  The network between the hosts of tests/hosts: a link for each, with a
 *  rate and a delay, and a switch between them.
 *
 *      wire BITS_PER_SECOND DELAY_SECONDS PID...
 *
 *  PID number i is a process in the network namespace of host i (from 1 on), which gets
 *  the interface `wire0`; packets for an IPv4 address that ends in .i go there. A packet
 *  leaves when those before it have left, bytes x 8 / rate each, arrives `delay` later,
 *  and takes its turn on the receiver's link as well. None is lost: a sender whose link
 *  is busy is not read, so that its kernel holds it back. (`tc netem` does this in the
 *  kernel, but many kernels lack it.) The header of an Ethernet frame is not counted. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 16, PACKET = 65536, ADDRESS_END = 19, VERSION_4 = 4 };

/* What a sender may be ahead of its link, in seconds: a bound of the memory. */
static const double ahead = 2e-3;

typedef struct packet {
  struct packet *next;
  double arrives;
  size_t bytes;
  char data[];
} packet;

/* A host's link: the device, when its two directions are free, what is on its way. */
typedef struct host {
  int fd;
  double up_free, down_free;
  packet *first, *last;
} host;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static void give_up(const char *what, const char *of) {
  fprintf(stderr, "wire: %s %s: %s\n", what, of, strerror(errno));
  exit(1);
}

/* A device in the network namespace of a process. */
static int open_link(const char *pid) {
  char path[64];
  struct ifreq device = {.ifr_name = "wire0", .ifr_flags = IFF_TUN | IFF_NO_PI};
  snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
  const int there = open(path, O_RDONLY);
  if (there < 0 || setns(there, CLONE_NEWNET) != 0) give_up("cannot enter", path);
  close(there);
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &device) != 0)
    give_up("cannot make a device by", "/dev/net/tun");
  return fd;
}

/* Take the packets that wait at a link and let them leave. */
static void receive(host *all, int hosts, int from, double rate, double delay) {
  static char data[PACKET];
  host *const h = &all[from];
  while (h->up_free < now() + ahead) {
    const ssize_t got = read(h->fd, data, sizeof data);
    if (got <= ADDRESS_END) return;
    const int to = (unsigned char) data[ADDRESS_END] - 1;
    if ((data[0] & 0xf0) >> 4 != VERSION_4 || to < 0 || to >= hosts) continue;
    packet *const p = malloc(sizeof *p + (size_t) got);
    if (p == NULL) give_up("cannot hold", "a packet");
    const double takes = 8 * (double) got / rate, t = now();
    h->up_free = (h->up_free > t ? h->up_free : t) + takes;
    const double reached = h->up_free + delay, turn = all[to].down_free + takes;
    *p = (packet){.arrives = reached > turn ? reached : turn, .bytes = (size_t) got};
    memcpy(p->data, data, (size_t) got);
    all[to].down_free = p->arrives;
    if (all[to].first == NULL)
      all[to].first = p;
    else
      all[to].last->next = p;
    all[to].last = p;
  }
}

/* Hand over what has arrived. */
static void deliver(host *h) {
  while (h->first != NULL && h->first->arrives <= now()) {
    packet *const p = h->first;
    if (write(h->fd, p->data, p->bytes) < 0 && errno != EAGAIN && errno != EIO)
      give_up("cannot deliver", "a packet");
    h->first = p->next;
    free(p);
  }
}

/* Until something arrives, or a sender with a free link has a packet. */
static void wait_for(const host *all, int hosts) {
  struct pollfd at[MOST];
  double next = now() + 1;
  for (int i = 0; i < hosts; i++) {
    const double reads = all[i].up_free - ahead;
    const bool busy = reads > now();
    at[i] = (struct pollfd){.fd = all[i].fd, .events = busy ? 0 : POLLIN};
    if (busy && reads < next) next = reads;
    if (all[i].first != NULL && all[i].first->arrives < next)
      next = all[i].first->arrives;
  }
  const double left = next - now();
  const struct timespec t = {.tv_nsec = left <= 0 ? 0 : (long) (1e9 * left) % 1000000000};
  ppoll(at, (nfds_t) hosts, &t, NULL);
}

int main(int argc, char **argv) {
  static host all[MOST];
  const int hosts = argc - 3;
  const double rate = argc > 1 ? atof(argv[1]) : 0, delay = argc > 2 ? atof(argv[2]) : 0;
  const struct sched_param first = {.sched_priority = 1};
  if (hosts < 1 || hosts > MOST || !(rate > 0) || delay < 0) {
    fprintf(stderr, "wire: expected BITS_PER_SECOND DELAY_SECONDS and 1 to %d PIDs\n",
            MOST);
    return 2;
  }
  for (int i = 0; i < hosts; i++) all[i].fd = open_link(argv[3 + i]);
  sched_setscheduler(0, SCHED_FIFO, &first); /* without the privilege: less punctual */
  puts("ready");
  fflush(stdout);
  for (;;) {
    for (int i = 0; i < hosts; i++) receive(all, hosts, i, rate, delay);
    for (int i = 0; i < hosts; i++) deliver(&all[i]);
    wait_for(all, hosts);
  }
}

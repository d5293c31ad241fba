/* SPDX-License-Identifier: MIT */
/* lane.h - whose connections an exchange uses.
 *
 * Each lane has connections of its own: origins that hang take none from peers, and a peer whose
 * loads wait can still be asked whether it lives. */
#ifndef LANE_H
#define LANE_H

enum net_lane {
    NET_ORIGINS, /* what scripts ask */
    NET_PEERS,   /* loads and changes at other nodes */
    NET_CHECKS,  /* whether another node lives: short exchanges */
    NET_LANES
};

#endif

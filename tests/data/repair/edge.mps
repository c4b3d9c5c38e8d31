NAME model
ROWS
 N cost
 G r99
 L r90
 E r44
 G r29
 L r51
 L r71
 L r68
 L r66
 L r76
 G r63
 G r75
 E r20
 L r98
 E r94
 L r41
 L r22
 L r52
 G r19
 L r24
 G r62
 L r61
 L r85
 G r88
 L r89
 G r70
 L r26
 G r15
 L r74
 L r18
 E r39
 G r46
 G r30
 G r97
 G r27
 L r60
 G r45
 E r82
 G r91
 L r77
 L r23
 G r37
COLUMNS
 v49 cost 6.9
 v49 r90 -26.3
 v49 r22 -0.32
 v49 r52 25.0
 v49 r88 1.0
 v49 r39 -1.0
 v49 r46 1.0
 v49 r60 -54.4
 v49 r77 15.0
 v11 cost 56.5
 v11 r76 1.0
 v11 r70 1.0
 v11 r97 78.0
 v11 r45 63.0
 v11 r82 0.92
 v72 cost 38.3
 v72 r20 0.9
 v72 r98 12.0
 v72 r62 1.0
 v72 r18 58.0
 v72 r23 1.0
 v81 cost 46.6
 v81 r66 1.0
 v81 r97 37.0
 v81 r27 1.0
 v81 r45 34.0
 v81 r82 0.92
 v54 cost 53.1
 v54 r20 0.92
 v54 r98 19.0
 v54 r24 1.0
 v54 r85 1.0
 v54 r15 1.0
 v54 r18 36.0
 v86 cost 53.5
 v86 r68 1.0
 v86 r24 1.0
 v86 r15 1.0
 v86 r97 19.0
 v86 r45 36.0
 v86 r82 0.92
 v69 cost 39.4
 v69 r44 -0.9
 v69 r51 58.0
 v69 r62 1.0
 v69 r61 12.0
 v69 r23 1.0
 v10 cost 62.8
 v10 r44 0.98
 v10 r51 77.0
 v10 r71 1.0
 v10 r61 86.0
 v96 cost 31.8
 v96 r75 3.0
 v96 r94 0.98
 v96 r26 1.0
 v96 r30 30.0
 v96 r37 1.0
 v55 cost 52.9
 v55 r90 19.0
 v55 r22 1.0
 v55 r24 1.0
 v55 r15 1.0
 v55 r39 0.92
 v55 r60 36.0
 v28 cost 60.6
 v28 r71 1.0
 v28 r75 77.0
 v28 r94 0.98
 v28 r89 1.0
 v28 r30 86.0
 v42 cost 45.5
 v42 r66 1.0
 v42 r75 34.0
 v42 r94 0.92
 v42 r30 37.0
 v42 r27 1.0
 v59 cost 6.1
 v59 r99 1.0
 v59 r68 -0.08
 v59 r52 27.0
 v59 r46 1.0
 v59 r97 -41.7
 v59 r45 -51.1
 v59 r82 -1.0
 v59 r77 15.0
 v25 cost 28.7
 v25 r90 32.0
 v25 r63 1.0
 v25 r41 1.0
 v25 r39 0.98
 v25 r60 73.0
 v65 cost 38.0
 v65 r62 1.0
 v65 r97 12.0
 v65 r45 58.0
 v65 r82 0.9
 v65 r23 1.0
 v84 cost 39.2
 v84 r90 12.0
 v84 r62 1.0
 v84 r39 0.9
 v84 r60 58.0
 v84 r23 1.0
 v12 cost 6.3
 v12 r20 -1.0
 v12 r98 -51.0
 v12 r52 29.0
 v12 r19 1.0
 v12 r85 -0.23
 v12 r18 -49.1
 v12 r46 1.0
 v12 r77 12.0
 v53 cost 47.8
 v53 r66 1.0
 v53 r20 0.92
 v53 r98 37.0
 v53 r18 34.0
 v53 r27 1.0
 v73 cost 6.2
 v73 r75 -34.4
 v73 r94 -1.0
 v73 r52 6.0
 v73 r89 -0.23
 v73 r46 1.0
 v73 r30 -40.1
 v73 r91 1.0
 v73 r77 6.0
 v95 cost 58.6
 v95 r76 1.0
 v95 r20 0.92
 v95 r98 78.0
 v95 r70 1.0
 v95 r18 63.0
 v87 cost 3.6
 v87 r44 -1.0
 v87 r29 1.0
 v87 r51 -65.0
 v87 r52 16.0
 v87 r61 -43.9
 v87 r74 -0.29
 v87 r46 1.0
 v87 r77 26.0
 v21 cost 60.0
 v21 r71 1.0
 v21 r20 0.98
 v21 r98 86.0
 v21 r18 77.0
 v83 cost 46.6
 v83 r90 37.0
 v83 r66 1.0
 v83 r39 0.92
 v83 r27 1.0
 v83 r60 34.0
 v17 cost 46.5
 v17 r44 0.92
 v17 r51 34.0
 v17 r66 1.0
 v17 r61 37.0
 v17 r74 1.0
 v17 r27 1.0
 v50 cost 29.3
 v50 r44 0.98
 v50 r51 73.0
 v50 r63 1.0
 v50 r41 1.0
 v50 r61 32.0
 v79 cost 32.0
 v79 r20 0.98
 v79 r98 30.0
 v79 r26 1.0
 v79 r18 3.0
 v79 r37 1.0
 v57 cost 51.6
 v57 r75 36.0
 v57 r94 0.92
 v57 r24 1.0
 v57 r15 1.0
 v57 r30 19.0
RHS
 RHS r99 52.0
 RHS r90 0.0
 RHS r44 0.0
 RHS r29 120.0
 RHS r51 0.0
 RHS r71 97.0
 RHS r68 0.0
 RHS r66 134.0
 RHS r76 44.0
 RHS r63 43.0
 RHS r75 0.0
 RHS r20 0.0
 RHS r98 0.0
 RHS r94 0.0
 RHS r41 48.0
 RHS r22 0.0
 RHS r52 11091.0
 RHS r19 168.0
 RHS r24 99.0
 RHS r62 84.0
 RHS r61 0.0
 RHS r85 0.0
 RHS r88 65.0
 RHS r89 0.0
 RHS r70 42.0
 RHS r26 69.0
 RHS r15 94.0
 RHS r74 0.0
 RHS r18 0.0
 RHS r39 0.0
 RHS r46 484.0
 RHS r30 0.0
 RHS r97 0.0
 RHS r27 120.0
 RHS r60 0.0
 RHS r45 0.0
 RHS r82 0.0
 RHS r91 100.0
 RHS r77 8200.0
 RHS r23 92.0
 RHS r37 67.0
BOUNDS
 LO BND v49 0.0
 PL BND v49
 LO BND v11 0.0
 UP BND v11 17.0
 LO BND v72 0.0
 UP BND v72 18.0
 LO BND v81 0.0
 UP BND v81 40.0
 LO BND v54 0.0
 UP BND v54 60.0
 LO BND v86 0.0
 UP BND v86 6.0
 LO BND v69 38.0
 UP BND v69 49.0
 LO BND v10 21.0
 UP BND v10 48.0
 LO BND v96 0.0
 UP BND v96 58.0
 LO BND v55 0.0
 UP BND v55 25.0
 LO BND v28 0.0
 UP BND v28 28.0
 LO BND v42 0.0
 UP BND v42 22.0
 LO BND v59 0.0
 PL BND v59
 LO BND v25 0.0
 UP BND v25 16.0
 LO BND v65 0.0
 UP BND v65 29.0
 LO BND v84 0.0
 UP BND v84 36.0
 LO BND v12 0.0
 PL BND v12
 LO BND v53 0.0
 UP BND v53 53.0
 LO BND v73 89.0
 PL BND v73
 LO BND v95 0.0
 UP BND v95 51.0
 LO BND v87 0.0
 PL BND v87
 LO BND v21 0.0
 UP BND v21 51.0
 LO BND v83 0.0
 UP BND v83 30.0
 LO BND v17 0.0
 UP BND v17 60.0
 LO BND v50 0.0
 UP BND v50 57.0
 LO BND v79 0.0
 UP BND v79 53.0
 LO BND v57 0.0
 UP BND v57 58.0
ENDATA

"""JPEG XL codestreams that Pillow's plugin cannot make: drawn by us, encoded by libjxl's command line tool."""

from base64 import b85decode
from typing import Final

# 600x400, progressive, the centre first: its tables of contents are permuted.
CENTRE_FIRST: Final = b85decode(
    "{|b0akWgF*3IPBB+z0?T09XK6ng_rd!qDpA9{`A~0IrrGl&PX>=!FydjAY?T&<(r-"
    "#L6*`9e{L?1n4aiFe7?Gus5X$R<};>oR5$Mpeun;sH(DT-&IjS1T2cdv!oa$2@x@<F-"
    "FA@7u#(s@)Gmz{ufh{#FOvkF91nNNl8gbOi|AoOG!yoRZ>YyRaI0;NmNx*Nl8mj%BT%VNl8gb$&-"
    "tuMfPeGUP!lAaNt@*0cxnHWi>8Z5I`yQu^D<cvxtHdJPL#b{Ek@^1o6Ca1&E38W6HFsIZ!&F=3~7pLIRaR-hHi&FtH{e@q>L-"
    "#J+k_ddajP4Ml&469UTp$W!rc|Cu2FP-"
    "G6w(E`^=iyhQBNrpa@O5odwPpd}!M`6Yfha#k?X^?%}810~OP$DFrN5Cf~Fdz`ni%5pBG=1*tkpH*x^-"
    "_ymKO7uY0cQ^rO&@J@Lm%i%6hJHqQpP_acR|co?zo5XLUQG<)2VsRMDl>IY^J*vJ)Fl{_{?M1=$#$LCR+Fur)IC3SCY!axHndIQz$U+-"
    "ZK$x8_FY@-Ke;W7<e_KWf=X71j7K3{D3MrV4EoE!PeHvf*N)Mq-yd_A9<@#Mz>;&_B1*gFr1@#4PaYbW+Hou9AJOS?8i_zmBDXHga>fK9F#d`Y"
    "_UnnsQThCccUS8`(;qV+#B1`+Q_q;;7C{kg9rgMfeS%T@x#oMEvo#>&_&J>gyKvlAi_d0K!AW?jF4Gv4}o?dGZrbhfIyaj0N?`!q5&lo8WA6e3"
    "5Y=!6aWJ-009sH0~i2FOBw)x3YAgD4PMUmeEFfnV%o-ahPK+a000009>BnoL<&T9JMdJMjI6jO8#b!?`Tzi+-"
    "=2PZ1OkBo000!Kj9f`UK|z7hO6ov!Vz3G$V~i1up`|G?I29ek7-I}$beb?zMhXC_pZkc~!(dMFAJ0e1Fx;O-"
    "X91%mNs^4N01`W+rY<3H1_9iKwMmi*<FMvSlO%1CN@)D0Nm>$`*nmS?otBib0a$+o(2!15RW)%*)h_7)gaM(D0&D@iAU{d6oJ~tAN8riTVF3VI"
    "!)Ivo7=U?ze#}I`kp2ZY;sF5cIHg_@et>faCzQCrlm"
)
# 600x400, lossless, groups of 128, the centre first.
MODULAR_CENTRE_FIRST: Final = b85decode(
    "{|b0a5KvqQ2mk>np#*pO4cH_NJy5Jbu>u?c006)NM8FSpKnnCg50t<TWWWd<zyTb<0Te(16hHwK081#NjGG?DCloGNxp2nQ5-"
    "TeT3JMAe3XW*R0+9#+jvqh9V6__&z7QGIK#Vc|{4f0f0wDkZT$lg=kZ1q{Tn;#J0XP8N0}z&`;E)O9wk`mmaWg%rw09c$CC?EKLxoXkCU`h>)q"
    "4xp$}z3YA2Qt_VbA3NQESe0lutvVOPF?<bYyiZD&;k*TAyAkl_1<Nnr>TWW^RZijfw)(2NM7gb#om!=Lb{rI0SVHlgU}mE+Bv#ALHEtBPUe=Fl"
    "fCALYsjXxdNCrD43=K7J>$ik2k(T4jXHmwO|7|Pwymr2NMu?0HA~iQVCM6=c(=@uIq0`^o(1@SXjsb=-"
    "Up;KpM)m%%lL$3_a=T^*yW`HB<Vc{FF*<jtd+8Bmx5vT@JuDoBm=cd5|%^Pz@9NrpYLM#I}IK)k~Dul0i^YeYxLXN!o-"
    "&vwp5`NOL)m=L+zXCt#GdSs(`k5JCV@)9SoSS@XwBRqtocz^Y7mT;4+JZ{3tgD8i=sjum|g0}$&3P|{8ipE+><B!(n<P;=Vqg#E|Eqr6`tcNHk"
    "Dn9!~wE>JSM+TumSZGpEzmnIbM$;Z=~xfueJJDvc*u4PNH7p7xd>iiQP;KuVh<o-"
    "?x1DZAf@T@NwmA0(7yn>3Ex797)RAUQD$*WiUfYob(^Ck;pqy+=;P6=b(5diQ`31i(60Ps!;W8Dz|@J<P{cvS-cLqk*r07FAm1pq@sR0RM-"
    "LsSI-"
)
# 600x400, the low frequencies as a frame of their own.
LOW_FREQUENCY_FRAME: Final = b85decode(
    "{|b0akWgF*3IPBB+z0?T09XK6ng_rd!qDpA9{`A~0IrrGl&PX>=!FydjAY?T&<(r-"
    "#L6*`9e{L?1n4aiFe7?Gus5X$R<};>oR5$Mpeun;sH(DT-&IjS1T2cdv!oa$2@x@<F-"
    "FA@7u#(s@)Gmz{ufh{#FOvkF91nNNl8gbOi|AoOG!yoRZ>YyRaI0;NmNx*Nl8mj%BT%VNl8gb$&-"
    "tuMfPeGUP!lAaNt@*0cxnHWi>8Z5I`yQu^D<cvxtHdJPL#b{Ek@^1o6Ca1&E38W6HFsIZ!&F=3~7pLIRaR-hHi&FtH{e@q>L-"
    "#J+k_ddajP4Ml&469UTp$W!rc|Cu2FP-"
    "G6w(E`^=iyhQBNrpa@O5odwPpd}!M`6Yfha#k?X^?%}810~OP$DFrN5Cf~Fdz`ni%5pBG=1*tkpH*x^-"
    "_ymKO7uY0cQ^rO&@J@Lm%i%6hJHqQpP_acR|co?zo5XLUQG<)2VsRMDl>IY^J*vJ)Fl{_{?M1=$#$LCR+Fur)IC3SCY!axHndIQz$U+-"
    "ZK$x8_FY@-Ke;W7<e_KWf=X71j7K3{D3MrV4EoE!PeHvf*N)Mq-yd_A9<@#Mz>;&_B1*gFr1@#4PaYbW+Hou9AJOS?8i_zmBDXHga>fK9F#d`Y"
    "_UnnsQThCccUS8`(;qV+#B1`+Q_q;;7C{kg9rgMfeS%T@x#oMEvo#>&_&J>gyKvlAi_d0K!AW?jF4Gv4}o?dGZrbhfIyaj0N?`!q5%MiK^7DM1"
    "26yq7ytth07*+40DuaWQN|5k&h>oxp~GU@#&w3a+O_}y0017qz>-"
    "7?M0PvyRF#aZxF#Dms`~l>0HEKVetQH0fdBvi6sn9|NkKtDfze9pKyzZS3L|5T5saawDKR(|9m5!73}bYfFjGbf0I8q*h}y$oPVpblN6IkVpG9"
    "W@qa;a^jIIC@JENv9A#er(+=aDCk_qFm=1Y?#ZIMc7{G~}+5}Me6Lt34dl(7L=e+1BwPE}PkaY@xK=>dcRp^yS>0o7pv09wOmX!96=dAuM$NwS"
    "<xODad;$$);$L<c97xWJS+;sF5cIHg_@et>hpkp2Y"
)
# 600x400, coded at a quarter of its size.
UPSAMPLED: Final = b85decode(
    "{|b0akWgF*fE0)Z0Qdt*OBw)x3YAgD4PMUmeEFfnV%o-ahPK+a000009zekoN=!H3=!D^cgoIgO#1JWAh3z&*DMnt5WQ>_H1~1bHqz?c9Jl-"
    "h^1~VI3Q6p@{*r06U4<Ke#@(|de-T^?sgUoz5^N&GE<VOR7({lqffBg;$ReLQ^ko?vHf(~CnFK=k^3EnIIhcYl>7)Ss6%7T26I-"
    "QT~5%^E$_>{n9G2tkc2#-"
    "fkUmzXJ4@Nro7)CvX2*3v*|LBt;)|%lF^A2$1l9Qk;Sd`|}@{<Ty94HNsK?b2q02n}m8<IAVwg%IO{F?ZI;?)7zS0M%1O|B3C06R@djg1Fa0{"
)
# 40x30, three frames.
ANIMATED: Final = b85decode(
    "{|e|ZK>!vMmjnn1paK8@WB^MTixmLW6JyZKTtET<NnTI@!2#sRRt^jZ2%rK00CWIL7>gAE)DvTjac1TM5&!^@AOHvqfd&WA2usZj2ne7;0049V"
    "OBjn40Mr>{jBzIB1tb6<BoF`)90D2`xHI-MF#"
)
# 60x40 before its orientation, 6.
ROTATED: Final = b85decode(
    "0000CN?1%F4GM<}0000KW^{RQYItlQ00000YItlQ0001HYItm8{|X5$kWgF_01}7-06YO*<q`k@6)K~Q8@!zB`SL@D#k7s<3~jY-"
    "VM(IMI5tTqa0n@|;9?BM#fw1~@8VsIF<uPDF+h|A0AL+d%2&bI0AhN_(*T+T5a>mfBme"
)

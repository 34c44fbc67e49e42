r"""The methodology's equations: plain arithmetic, one small function per quantity.

Put here: equations, with their source. Keep out: choices between them (`methodology.py`), look-up
of factors (`reference.py`), filling of gaps (`normalize.py`), tables, reading, state.

"numeric" means a float, a numpy array, a pandas Series, a (runs x draws) matrix or a pint
quantity; every function takes all of them alike. Arguments carry no unit suffix because any
coherent set of units works; the units in square brackets are those that the pipeline uses.

References
----------
.. [S3C] Scope3, "AI methodology: cluster", repository scope3data/methodology, revision 6379647
   (2025-04).
.. [S3T] Scope3, "AI methodology: training", same revision; worked example BLOOM-176B.
.. [S3F] Scope3, "AI methodology: fine-tuning", same revision; worked example of amortisation.
.. [S3A] Scope3, "AI methodology: NVIDIA A100", same revision.
.. [AR5] IPCC, AR5 Working Group III, Annex III, Table A.III.2 (2014), p. 1335.
.. [LI] Li, Yang, Islam, Ren, "Making AI Less Thirsty", arXiv:2304.03271, section 3.
"""

WATT_HOURS_PER_KWH = 1000.0
JOULES_PER_KWH = 3.6e6
GRAMS_PER_KG = 1000.0
MILLILITRES_PER_LITRE = 1000.0


def power(
    idle_power,
    memory_power,
    *,
    gpu_fan_power=0,
    cpu_count,
    cpu_max_power,
    cpu_idle_power,
    cpu_utilization,
    gpu_count,
    gpu_max_power,
    gpu_idle_power,
    gpu_utilization,
):
    r"""Power of a cluster while it computes.

    Parameters
    ----------
    idle_power : numeric
        The whole cluster at rest: boards, fans, network, disks, CPUs and every GPU. [W]
    memory_power : numeric
        Memory of all servers. [W]
    gpu_fan_power : numeric
        What the fans of its server draw more for one GPU at full load than at rest; the published
        formula has none. [W]
    cpu_count, gpu_count : numeric
        CPUs and GPUs in use. [unitless]
    cpu_max_power, gpu_max_power : numeric
        One device at full load. [W]
    cpu_idle_power, gpu_idle_power : numeric
        One device at rest. [W]
    cpu_utilization, gpu_utilization : numeric
        Mean utilisation, 0..1. [unitless]

    Returns
    -------
    power : numeric
        Power behind the servers' power supplies. [W]

    Notes
    -----
    .. math::
        P = P_{idle} + P_{mem} + n_C (P_C^{max} - P_C^{idle}) C
            + n_G (P_G^{max} - P_G^{idle} + P_F) G

    The printed formula of [S3C]_ leaves out the factors C and G; that they belong there follows
    from the page's own text and from its formula for a GPU hour.
    """
    return (
        idle_power
        + memory_power
        + cpu_count * (cpu_max_power - cpu_idle_power) * cpu_utilization
        + gpu_count * (gpu_max_power - gpu_idle_power + gpu_fan_power) * gpu_utilization
    )


def idle_power(host_power, *, server_count, cpu_count, cpu_idle_power, gpu_count, gpu_idle_power):
    r"""Power of a whole cluster at rest, memory apart.

    Parameters
    ----------
    host_power : numeric
        One server's boards, fans, network and disks. [W]
    server_count, cpu_count, gpu_count : numeric
        Servers, and CPUs and GPUs in all of them. [unitless]
    cpu_idle_power, gpu_idle_power : numeric
        One device at rest. [W]

    Returns
    -------
    idle_power : numeric
        Power at rest. [W]

    Notes
    -----
    .. math:: P_{idle} = n_S P_H + n_C P_C^{idle} + n_G P_G^{idle}
    """
    return server_count * host_power + cpu_count * cpu_idle_power + gpu_count * gpu_idle_power


def it_energy(power, active_time, *, idle_power, reserved_time):
    r"""Energy of the computing hardware over a reservation.

    Parameters
    ----------
    power : numeric
        Power while computing. [W]
    active_time : numeric
        Time in which the hardware computed. [h]
    idle_power : numeric
        Power at rest, memory included. [W]
    reserved_time : numeric
        Time for which the hardware was reserved, at least the active time. [h]

    Returns
    -------
    it_energy : numeric
        Energy behind the servers' power supplies; `plug_energy` adds their losses. [Wh]

    Notes
    -----
    .. math:: E_{IT} = P t_{active} + P_{idle} (t_{reserved} - t_{active})

    Reserved hours that were not active draw power too; [S3T]_ counts active GPU hours alone.
    """
    return power * active_time + idle_power * (reserved_time - active_time)


def device_energy(count, idle_power, max_power, utilization, *, active_time, reserved_time):
    r"""Energy of devices of one kind over a reservation.

    Parameters
    ----------
    count : numeric
        Devices in use. [unitless]
    idle_power, max_power : numeric
        One device at rest and at full load. [W]
    utilization : numeric
        Mean utilisation while active, 0..1. [unitless]
    active_time : numeric
        Time in which the devices computed. [h]
    reserved_time : numeric
        Time for which they were reserved, at least the active time. [h]

    Returns
    -------
    device_energy : numeric
        Their energy, without the losses of power supplies. [Wh]

    Notes
    -----
    .. math:: E = n (P_{idle} t_{reserved} + (P_{max} - P_{idle}) u\, t_{active})

    The share of one kind of device in `power` and `it_energy`.
    """
    return count * (
        idle_power * reserved_time + (max_power - idle_power) * utilization * active_time
    )


def plug_energy(counted_energy, other_energy, supply_efficiency):
    r"""Energy at the servers' plugs, from that behind their power supplies.

    Parameters
    ----------
    counted_energy : numeric
        Energy of accelerators, CPUs and memory, or of the whole modelled machine. [kWh]
    other_energy : numeric
        Energy of boards, fans, disks and network, which no counter sees; 0 where the model has
        them. [kWh]
    supply_efficiency : numeric
        Output over input of the power supplies, above 0 and at most 1. [unitless]

    Returns
    -------
    plug_energy : numeric
        Energy at the plug, never less than the counted. [kWh]

    Notes
    -----
    .. math:: E_{plug} = \frac{E_{counted} + E_{other}}{\eta}

    Meters on a desktop PC follow this line ([FIS]_, `docs/uncertainty.md`).

    References
    ----------
    .. [FIS] Fischer, "Ground-Truthing AI Energy Consumption", arXiv:2509.22092, and its measured
       data.
    """
    return (counted_energy + other_energy) / supply_efficiency


def gpu_hours_energy(power_per_gpu, gpu_hours):
    r"""Energy of the computing hardware from a flat power per GPU.

    Parameters
    ----------
    power_per_gpu : numeric
        Instance power over its number of GPUs. [kW]
    gpu_hours : numeric
        GPU hours. [h]

    Returns
    -------
    gpu_hours_energy : numeric
        Energy at the servers' plugs. [kWh]

    Notes
    -----
    .. math:: E_{IT} = P_{GPU} h_{GPU}

    [S3A]_ gives 0.428 kW for an A100: one eighth of a 3.43 kW instance, before PUE.
    """
    return power_per_gpu * gpu_hours


def facility_energy(it_energy, pue):
    r"""Energy drawn by the data centre for a computing load.

    Parameters
    ----------
    it_energy : numeric
        Energy of servers and network at the plug. [kWh]
    pue : numeric
        Power usage effectiveness, at least 1. [unitless]

    Returns
    -------
    facility_energy : numeric
        Energy including cooling and losses. [kWh]

    Notes
    -----
    .. math:: E_f = E_{IT} \times PUE

    [S3T]_: 0.428 kW x 1.1 = 0.471 kWh per GPU hour.
    """
    return it_energy * pue


def operational_carbon(facility_energy, grid_carbon_intensity):
    r"""Carbon of the electricity, location-based.

    Parameters
    ----------
    facility_energy : numeric
        Energy including cooling and losses. [kWh]
    grid_carbon_intensity : numeric
        Mean intensity of the grid over the run. [kgCO2e/kWh]

    Returns
    -------
    operational_carbon : numeric
        Carbon. [kgCO2e]

    Notes
    -----
    .. math:: C_{op} = E_f \times I

    [S3T]_ prints "57 kgCO2e/kWh" for France; its own product shows that grams are meant.
    """
    return facility_energy * grid_carbon_intensity


def life_cycle_intensity(direct_intensity, fuel_factor, stackless):
    r"""Grid intensity over the life cycle, from what leaves the stacks.

    Parameters
    ----------
    direct_intensity : numeric
        Greenhouse gases at the stacks. [kgCO2e/kWh]
    fuel_factor : numeric
        Life cycle of burnt fuels, their supply and plants included, over what leaves the stacks,
        at least 1. [unitless]
    stackless : numeric
        Life cycle of plants without a stack, per kWh of the whole mix. [kgCO2e/kWh]

    Returns
    -------
    life_cycle_intensity : numeric
        Intensity. [kgCO2e/kWh]

    Notes
    -----
    .. math:: I = D f + b

    Both parts come from a country's mix and [AR5]_; a state or region with another mix than its
    country has its own D, so only b is the country's.
    """
    return direct_intensity * fuel_factor + stackless


def direct_intensity(life_cycle_intensity, fuel_factor, stackless):
    r"""Grid intensity at the stacks, from that over the life cycle.

    Parameters
    ----------
    life_cycle_intensity : numeric
        Intensity. [kgCO2e/kWh]
    fuel_factor, stackless : numeric
        As in `life_cycle_intensity`.

    Returns
    -------
    direct_intensity : numeric
        Greenhouse gases at the stacks; below 0 where the plants without a stack explain more than
        the whole. [kgCO2e/kWh]

    Notes
    -----
    .. math:: D = \frac{I - b}{f}
    """
    return (life_cycle_intensity - stackless) / fuel_factor


def onsite_water(it_energy, wue):
    r"""Water evaporated in cooling the data centre.

    Parameters
    ----------
    it_energy : numeric
        Energy of the computing hardware: WUE is defined per IT energy, so no PUE. [kWh]
    wue : numeric
        Water usage effectiveness. [L/kWh]

    Returns
    -------
    onsite_water : numeric
        Water. [L]

    Notes
    -----
    .. math:: W_{on} = E_{IT} \times WUE

    [S3T]_ and [LI]_.
    """
    return it_energy * wue


def electricity_water(energy, electricity_water_intensity):
    r"""Water consumed in generating the electricity.

    Parameters
    ----------
    energy : numeric
        Energy that the power stations deliver: the facility's, PUE included. [kWh]
    electricity_water_intensity : numeric
        Water consumption of the grid's generation. [L/kWh]

    Returns
    -------
    electricity_water : numeric
        Water. [L]

    Notes
    -----
    .. math:: W_{el} = E_{IT} \times PUE \times EWIF

    [LI]_. [S3T]_ leaves the PUE out and notes that as open; profile `scope3-2024` follows it.
    """
    return energy * electricity_water_intensity


def embodied_per_hour(
    *, gpu_count, gpu_embodied, server_count, server_embodied, use_life, share_reserved
):
    r"""Share of the hardware's making that one reserved hour carries; carbon or water.

    Parameters
    ----------
    gpu_count, server_count : numeric
        Reserved GPUs and servers. [unitless]
    gpu_embodied, server_embodied : numeric
        Making of one GPU, and of one server without GPUs. [kgCO2e or L]
    use_life : numeric
        Use life of the hardware. [h]
    share_reserved : numeric
        Share of the use life for which the hardware is reserved, 0..1. [unitless]

    Returns
    -------
    embodied_per_hour : numeric
        Embodied carbon or water per reserved hour. [kgCO2e/h or L/h]

    Notes
    -----
    .. math:: m = \frac{n_G M_G + n_S M_S}{T r}

    [S3C]_. The note in [S3T]_ that a higher utilisation raises the figure is wrong: it lowers it.
    """
    return (gpu_count * gpu_embodied + server_count * server_embodied) / (use_life * share_reserved)


def embodied(embodied_per_hour, reserved_time):
    r"""Share of the hardware's making that a run carries; carbon or water.

    Parameters
    ----------
    embodied_per_hour : numeric
        Embodied carbon or water per reserved hour. [kgCO2e/h or L/h]
    reserved_time : numeric
        Time for which the hardware was reserved. [h]

    Returns
    -------
    embodied : numeric
        Embodied carbon or water. [kgCO2e or L]

    Notes
    -----
    .. math:: M = m \times t_{reserved}

    [S3C]_.
    """
    return embodied_per_hour * reserved_time


def total(*parts):
    r"""Sum of the parts of a footprint.

    Parameters
    ----------
    *parts : numeric
        Parts, all in one unit.

    Returns
    -------
    total : numeric
        Their sum.

    Notes
    -----
    .. math:: F = \sum_i F_i
    """
    first, *rest = parts
    for part in rest:
        first = first + part
    return first


def per_inference(total, inferences):
    r"""Share of a fine-tuning's footprint that one inference carries.

    Parameters
    ----------
    total : numeric
        Carbon or water of the fine-tuning. [kgCO2e or L]
    inferences : numeric
        Inferences over the use life, above 0. [unitless]

    Returns
    -------
    per_inference : numeric
        Carbon or water per inference. [kgCO2e or L]

    Notes
    -----
    .. math:: f = \frac{F}{n}

    [S3F]_: 12.8 kgCO2e and 18.3 L re-tuned daily over 1000 inferences a day are 12.8 gCO2e and
    18.3 mL per inference.
    """
    return total / inferences


def training_flop(flop_per_token_and_parameter, parameters, tokens):
    r"""Floating-point operations of a training.

    Parameters
    ----------
    flop_per_token_and_parameter : numeric
        6 for full fine-tuning (forward 2, backward 4), 4 where the base is frozen. [FLOP]
    parameters : numeric
        Parameters that take part in each token's product. [unitless]
    tokens : numeric
        Tokens seen, padding included, over all epochs. [unitless]

    Returns
    -------
    training_flop : numeric
        Operations, attention's quadratic term left out. [FLOP]

    Notes
    -----
    .. math:: F = k N D

    Kaplan et al., "Scaling Laws for Neural Language Models", arXiv:2001.08361, section 2.1; the 4
    of low-rank adapters is confirmed by throughput measured in the NeMo 24.12 documentation
    (LoRA over full fine-tuning 1.44 to 1.47, close to 6/4).
    """
    return flop_per_token_and_parameter * parameters * tokens


def training_memory(parameters, bytes_per_parameter, headroom):
    r"""Memory that a training run keeps on its accelerators.

    .. math:: M = P \, b \, h

    Parameters
    ----------
    parameters : numeric
        Parameters of the model.
    bytes_per_parameter : numeric
        Bytes that weights, gradients and optimiser states take per parameter.
    headroom : numeric
        Activations, buffers and fragmentation on top, as a factor.

    Returns
    -------
    numeric
        Memory. [byte]

    References
    ----------
    Rajbhandari et al., "ZeRO: memory optimizations toward training trillion parameter models",
    SC 2020, section 3.1: 16 bytes per parameter with Adam in mixed precision.
    """
    return parameters * bytes_per_parameter * headroom
